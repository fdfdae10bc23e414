"""Whether an address can be listened on, before anything is started for it."""

import errno
import socket


class PortError(Exception):
    """The address cannot be used; the message says why and what to do."""


def usable_port(host: str, port: int, option: str) -> int:
    """``port``, or a free one for 0. ``option`` is what the user gives to choose another.

    Raises:
        PortError: something listens there already, or the address is not ours to use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            # As servers do: what is left of connections of an earlier run is no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    except OSError as error:
        raise PortError(f"{_explain(error, host, port)}; choose another by {option}") from error


def _explain(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {port} on {host} is in use"
        case errno.EACCES:
            return f"port {port} on {host} needs more rights than you have"
        case _:
            return f"cannot listen on {host}, port {port} ({error.strerror})"
