"""Decisions of local mode; no I/O."""
