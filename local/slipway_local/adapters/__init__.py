"""Local mode's contact with the world: files, processes, the terminal."""
