"""The supervisor and how its parts are put together."""
