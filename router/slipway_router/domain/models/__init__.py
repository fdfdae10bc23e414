"""What can be asked, where it runs, and whether it can serve now."""
