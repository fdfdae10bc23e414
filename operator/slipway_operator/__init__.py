"""The operator: makes the cluster what the custom resources ask for."""
