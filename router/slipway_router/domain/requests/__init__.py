"""Bodies of requests: what is read of them, refused and changed."""
