"""Simulated marketplaces and their sellers."""
