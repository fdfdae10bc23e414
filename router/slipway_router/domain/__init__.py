"""Decisions of the router; no I/O."""
