"""What the data port serves: its table of calls, and the words of each API."""
