"""The custom metrics API: what it measures, how it is asked and what it answers. No I/O."""
