"""Manifests of the children of a ModelDeployment, one module per kind; all pure functions."""
