"""Handlers of calls besides the hot path."""
