"""The shops of sellers: their choice, settings and pauses, consents and access tokens."""
