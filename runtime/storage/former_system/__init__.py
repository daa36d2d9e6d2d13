"""The tables of the former job system, read; what was taken over from them, written."""
