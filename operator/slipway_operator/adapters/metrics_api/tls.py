"""The TLS side of the metrics API: certificates and trust that change while it serves."""

import ssl
import tempfile
from pathlib import Path

from slipway_operator.domain.metrics_api.serving import ServingPair


class Tls:
    """A server's `ssl.SSLContext` whose certificate and trusted authority can be exchanged.

    Connections that are open keep what they began with; each new one gets the newest.
    """

    def __init__(self, pair: ServingPair, client_ca: str) -> None:
        self._made_of = (pair, client_ca)
        self._newest = _context(pair, client_ca)
        self.context = _context(pair, client_ca)
        """For the listening socket."""
        self.context.sni_callback = self._exchange

    def exchange(self, pair: ServingPair, client_ca: str) -> None:
        """Use these from now on.

        Raises:
            ssl.SSLError: they are no certificates, or the key is another one's.
        """
        if self._made_of != (pair, client_ca):
            self._newest = _context(pair, client_ca)
            self._made_of = (pair, client_ca)

    def _exchange(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        # OpenSSL asks this also when the client names no host.
        connection.context = self._newest


def _context(pair: ServingPair, client_ca: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Probes bring no certificate; whoever brings one must have it from the front proxy's authority.
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=client_ca)
    # A resumed session would keep the trust of the one that it resumes.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    with tempfile.TemporaryDirectory() as folder:
        # The module reads a private key from files only; the folder is this process' own.
        certificate, key = Path(folder, "tls.crt"), Path(folder, "tls.key")
        certificate.write_text(pair.certificate)
        key.touch(mode=0o600)
        key.write_text(pair.key)
        context.load_cert_chain(certificate, key)
    return context
