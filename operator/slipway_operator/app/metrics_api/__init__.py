"""The metrics API at work: asking pods, and keeping certificate and registration in order."""
