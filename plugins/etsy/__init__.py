"""Etsy: called over HTTP, with OAuth 2 and PKCE."""
