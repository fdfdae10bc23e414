"""Puts local mode together."""
