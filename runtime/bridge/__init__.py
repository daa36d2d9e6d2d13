"""The bridge to the seller's browser: the Socket.IO server, tokens, and pending requests."""
