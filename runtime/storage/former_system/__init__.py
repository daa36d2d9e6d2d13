"""The queries that read the former job system's tables, and that write the imported rows."""
