"""Probes of single components."""

import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path

_SECONDS = 5


def answers(url: str) -> str | None:
    """Probe of a health page: ``None`` when it answers 200, else what happened.

    The certificate is not checked: components serve their health pages with ones they made up at start.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(url, timeout=_SECONDS):
            return None
    except OSError as error:  # urllib's errors are subclasses
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        return f"{url}: {error}"


def listening(path: Path) -> str | None:
    """Probe of a Unix socket: ``None`` when something accepts connections, else what happened."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_SECONDS)
        try:
            client.connect(str(path))
        except OSError as error:
            return f"{path}: {error}"
    return None
