"""The operator's ways to the outside: the Kubernetes API, Kopf's watches, Prometheus, HTTP."""
