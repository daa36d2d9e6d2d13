"""The documentation: its pages, what they refer to, and the part that is generated."""
