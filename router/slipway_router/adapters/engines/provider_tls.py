"""Whose certificates are trusted when a provider of models or identities is called."""

import ssl


def provider_tls(ca_file: str = "", variable: str = "SLIPWAY_PROVIDER_CA_FILE") -> ssl.SSLContext:
    """What the system trusts and, if named, the certificates in a PEM file. ``variable`` is where it was named.

    Raises:
        ValueError: the file cannot be read or holds no certificate.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as error:
            message = f"{variable} is {ca_file!r}: {error}; name a file with certificates in PEM"
            raise ValueError(message) from None
    return context
