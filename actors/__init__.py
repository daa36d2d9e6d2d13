"""Policy: the actors. The only package that knows pykka."""
