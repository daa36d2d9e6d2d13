"""Which account a job acts for, and in whose name: choice, settings, consent, access tokens."""
