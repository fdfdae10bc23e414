"""Making the serving certificate and the authority that signs it."""

from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from slipway_operator.domain.metrics_api.serving import ServingIdentity, ServingPair

AUTHORITY_LIFETIME: Final = timedelta(days=3650)
LIFETIME: Final = timedelta(days=90)
RENEWAL: Final = timedelta(days=30)
"""So long before its end a certificate is replaced."""
_CLOCKS: Final = timedelta(minutes=5)  # those of nodes may differ by a little


def renewed(identity: ServingIdentity | None, hosts: tuple[str, ...], now: datetime) -> ServingIdentity:
    """``identity`` itself while it is good for ``hosts``, else a new one.

    The authority stays while it outlives a certificate that it signs; one that is replaced stays trusted until it ends,
    since other replicas may still show certificates of it.
    """
    if identity is None:
        return _issued(hosts, now, before=())
    try:
        authorities = x509.load_pem_x509_certificates(identity.authorities.encode())
        if _is_good(identity, authorities[0], hosts, now):
            return identity
        key = serialization.load_pem_private_key(identity.authority_key.encode(), password=None)
    except (ValueError, TypeError, IndexError, InvalidSignature, x509.ExtensionNotFound):
        return _issued(hosts, now, before=())
    living = tuple(each for each in authorities if each.not_valid_after_utc > now)
    if not living or living[0] != authorities[0] or authorities[0].not_valid_after_utc < now + LIFETIME:
        return _issued(hosts, now, before=living)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != authorities[0].public_key():
        return _issued(hosts, now, before=living)
    return _signed(hosts, now, authorities[0], key, living)


def _is_good(identity: ServingIdentity, authority: x509.Certificate, hosts: tuple[str, ...], now: datetime) -> bool:
    certificate = x509.load_pem_x509_certificate(identity.pair.certificate.encode())
    key = serialization.load_pem_private_key(identity.pair.key.encode(), password=None)
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        certificate.not_valid_before_utc <= now
        and certificate.not_valid_after_utc - RENEWAL > now
        and authority.not_valid_after_utc > certificate.not_valid_after_utc
        and key.public_key() == certificate.public_key()
        and set(hosts) <= set(names.get_values_for_type(x509.DNSName))
    )


def _issued(hosts: tuple[str, ...], now: datetime, before: tuple[x509.Certificate, ...]) -> ServingIdentity:
    """A certificate of a new authority; those ``before`` it stay trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    # Two authorities must not share a name, or clients look for the issuer among both keys.
    subject = _name(f"slipway-metrics-authority-{int(now.timestamp())}")
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    authority = (
        _builder(subject, subject, key.public_key(), now, AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return _signed(hosts, now, authority, key, (authority, *before))


def _signed(
    hosts: tuple[str, ...],
    now: datetime,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    trusted: tuple[x509.Certificate, ...],
) -> ServingIdentity:
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        _builder(_name("slipway-metrics"), authority.subject, key.public_key(), now, LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pair = ServingPair(_pem(certificate), _key_pem(key))
    return ServingIdentity(pair, "".join(_pem(each) for each in trusted), _key_pem(authority_key))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS)
        .not_valid_after(now + lifetime)
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
