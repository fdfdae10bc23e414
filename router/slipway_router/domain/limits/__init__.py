"""How much a caller may use."""
