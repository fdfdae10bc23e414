"""The account of used tokens on disk and in the shared store."""
