"""Reads the rows of the former job system, and decides what becomes of them here. Pure."""
