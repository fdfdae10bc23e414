"""The commands; each module has ``run(arguments) -> exit code``."""
