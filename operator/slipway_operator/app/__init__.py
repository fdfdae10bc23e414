"""The operator put together: settings, the reconcilers, and the composition root."""
