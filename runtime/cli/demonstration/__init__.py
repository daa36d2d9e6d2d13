"""The demo: sellers on simulated marketplaces, watched while they sell."""
