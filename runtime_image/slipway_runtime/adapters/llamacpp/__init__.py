"""llama.cpp's own HTTP server, as a process on the data port."""
