"""The engines' side: connections and what comes back by them."""
