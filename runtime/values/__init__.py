"""Checks of values that come from outside, before anything is done with them. Pure."""
