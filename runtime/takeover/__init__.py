"""Takes over the jobs of the former job system."""
