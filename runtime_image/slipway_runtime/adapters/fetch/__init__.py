"""Fetching weights: one module per kind of source, each a function from source to path."""
