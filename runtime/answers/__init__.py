"""What an answer means: refusals in a marketplace's words, limits, and what they change. Pure."""
