"""The demo shows sellers at work on simulated marketplaces."""
