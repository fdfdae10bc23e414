"""Errors of the test cluster."""


class ClusterError(Exception):
    """The cluster cannot be provided; the message says what is wrong, where, and what to do about it."""


class CommandError(ClusterError):
    """A command ended with a non-zero status or ran past its limit."""
