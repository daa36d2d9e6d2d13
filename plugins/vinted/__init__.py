"""Vinted: no public API, so the seller's own browser executes its jobs."""
