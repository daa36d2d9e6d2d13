"""Databases, rows and former installations for tests."""
