"""What the rows of the former job system mean here. Pure."""
