"""Small servers that tests talk to."""
