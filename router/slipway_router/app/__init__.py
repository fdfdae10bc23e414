"""Puts the router together."""
