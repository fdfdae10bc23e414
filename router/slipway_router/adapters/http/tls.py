"""The data port's certificate: read at the start, and again whenever its files change.

Kubernetes changes the files of a Secret by swapping a symbolic link, cert-manager long before a certificate ends.
Connections that are open keep the certificate that they began with.
"""

import logging
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificates

CERT_VARIABLE: Final = "SLIPWAY_TLS_CERT_FILE"
KEY_VARIABLE: Final = "SLIPWAY_TLS_KEY_FILE"

_log = logging.getLogger(__name__)


class TlsFiles:
    """A certificate and its key on disk, and the context that servers use."""

    def __init__(self, cert_file: str, key_file: str) -> None:
        """Raises ValueError: a file cannot be used; the message names it."""
        self._cert = Path(cert_file)
        self._key = Path(key_file)
        self._seen = self._stamp()
        self._newest = self._load()
        self.context = self._load()
        """For servers. Every new connection gets the newest certificate."""
        self.context.sni_callback = self._choose
        self._tell()

    def refresh(self) -> None:
        """Read the files again if they have changed. As long as they cannot be used, the certificate stays."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._newest = self._load()
            self._tell()
        except ValueError as error:
            _log.error("the new certificate cannot be used, the old one stays: %s", error)

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: Any) -> None:
        connection.context = self._newest

    def _stamp(self) -> tuple[object, ...]:
        """What changes with the content of the files, wherever links lead."""
        return *_stat(self._cert), *_stat(self._key)

    def _load(self) -> ssl.SSLContext:
        _certificate(self._cert)
        _check_key(self._key)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(self._cert, self._key, password="")  # Never ask for one on a terminal.
        except (ssl.SSLError, OSError) as error:
            raise ValueError(f"the key in {self._key} does not fit the certificate in {self._cert}: {error}") from None
        return context

    def _tell(self) -> None:
        ends = _certificate(self._cert).not_valid_after_utc
        if ends < datetime.now(UTC):
            _log.warning("the certificate in %s ended on %s", self._cert, ends)
        else:
            _log.info("the certificate in %s is valid until %s", self._cert, ends)


def _stat(path: Path) -> tuple[object, ...]:
    try:
        found = path.stat()
    except OSError as error:
        return (error.errno,)
    return found.st_ino, found.st_mtime_ns, found.st_size


def _certificate(path: Path) -> Certificate:
    try:
        return load_pem_x509_certificates(path.read_bytes())[0]
    except OSError as error:
        raise ValueError(f"{CERT_VARIABLE} is '{path}': {error.strerror}; name a certificate in PEM") from None
    except ValueError:
        raise ValueError(f"{CERT_VARIABLE} is '{path}', which is no certificate in PEM") from None


def _check_key(path: Path) -> None:
    try:
        load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ValueError(f"{KEY_VARIABLE} is '{path}': {error.strerror}; name a private key in PEM") from None
    except TypeError:
        raise ValueError(f"{KEY_VARIABLE} is '{path}', which is encrypted; write the key without a password") from None
    except ValueError:
        raise ValueError(f"{KEY_VARIABLE} is '{path}', which is no private key in PEM") from None
