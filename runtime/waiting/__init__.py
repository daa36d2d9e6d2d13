"""Whose turn it is, and what stands in a job's way. Pure."""
