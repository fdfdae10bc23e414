"""Whose certificates are trusted when a provider is called."""

import ssl


def provider_tls(ca_file: str = "") -> ssl.SSLContext:
    """What the system trusts and, if named, the certificates in a PEM file.

    Raises:
        ValueError: the file cannot be read or holds no certificate.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as error:
            message = f"SLIPWAY_PROVIDER_CA_FILE is {ca_file!r}: {error}; name a file with certificates in PEM"
            raise ValueError(message) from None
    return context
