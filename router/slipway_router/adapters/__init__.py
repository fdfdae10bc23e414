"""The router's contact with the world: HTTP on both sides, Kubernetes, metrics, logs."""
