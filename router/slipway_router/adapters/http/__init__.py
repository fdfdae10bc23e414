"""The callers' side: connections and what comes in by them."""
