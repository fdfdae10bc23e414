"""Kubernetes, watched."""
