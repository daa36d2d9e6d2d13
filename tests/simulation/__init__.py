"""A day of three marketplaces on a virtual clock."""
