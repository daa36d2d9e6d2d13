"""Handlers driven without a runtime."""
