"""The vocabulary all programs share: custom resources, conditions, names, engines, the runtime's environment."""
