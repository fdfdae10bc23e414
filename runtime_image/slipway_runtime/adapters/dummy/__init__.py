"""An engine without a model: controllable speed, failures and start, for tests, demos and load generators."""
