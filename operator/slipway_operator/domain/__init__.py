"""Decisions of the operator: pure functions from what was observed to what should be."""
