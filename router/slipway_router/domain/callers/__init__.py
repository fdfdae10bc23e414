"""Who calls: keys, tokens, addresses."""
