"""Local mode: the `slipway` command runs router and runtimes as processes, from the YAML that Kubernetes takes."""
