"""Taking over the jobs of a former installation."""
