"""Helpers of the tests; no tests stand here."""
