"""The built-in marketplaces, loaded through the same entry points as any other."""
