"""vLLM's own HTTP server, as processes on the data port."""
