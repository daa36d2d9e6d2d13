"""Etsy: jobs are executed over its Open API v3."""
