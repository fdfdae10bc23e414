"""Limits shared through Valkey or Redis."""
