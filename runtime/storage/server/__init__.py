"""The PostgreSQL server, and the connections to it."""
