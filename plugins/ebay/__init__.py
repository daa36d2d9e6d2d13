"""eBay: called over HTTP, with OAuth 2."""
