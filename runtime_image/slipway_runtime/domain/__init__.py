"""Decisions of the runtime: no input, no output, no clock of its own."""
