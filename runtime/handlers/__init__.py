"""The base class and the hooks of handler plugins, and the registry that loads them."""
