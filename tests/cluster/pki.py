"""Keys and certificates of a cluster: two authorities, a leaf per component, the service account key."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=30)
RENEWAL = timedelta(days=7)

CLUSTER_AUTHORITY = "ca"
FRONT_PROXY_AUTHORITY = "front-proxy-ca"


@dataclass(frozen=True)
class Leaf:
    """A certificate to issue: ``organizations`` are its groups in Kubernetes, ``common_name`` is its user."""

    file: str
    common_name: str
    organizations: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    authority: str = CLUSTER_AUTHORITY


def control_plane_leaves(addresses: tuple[str, ...]) -> tuple[Leaf, ...]:
    """Return the certificates of an API server reached at ``addresses`` and of its clients."""
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    return (
        Leaf("apiserver", "kube-apiserver", hosts=(*service, "localhost"), addresses=addresses),
        Leaf("apiserver-kubelet-client", "kube-apiserver-kubelet-client", organizations=("system:masters",)),
        Leaf("front-proxy-client", "front-proxy-client", authority=FRONT_PROXY_AUTHORITY),
        Leaf("admin", "admin", organizations=("system:masters",)),
    )


def ensure(folder: Path, leaves: Iterable[Leaf]) -> None:
    """Write the authorities, the service account key and every leaf, as ``NAME.crt`` and ``NAME.key``, unless there."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name in (CLUSTER_AUTHORITY, FRONT_PROXY_AUTHORITY):
        if not (folder / f"{name}.crt").exists():
            _write_authority(folder, name)
    if not (folder / "sa.pub").exists():
        _write_service_account_key(folder)
    for leaf in leaves:
        if not (folder / f"{leaf.file}.crt").exists():
            _write_leaf(folder, leaf)


def expires_soon(folder: Path) -> bool:
    """Tell whether a certificate in ``folder`` ends within :data:`RENEWAL`."""
    limit = datetime.now(UTC) + RENEWAL
    return any(_load(path).not_valid_after_utc < limit for path in folder.glob("*.crt"))


def _load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks of containers and hosts may differ by a little.
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
    )


def _write_authority(folder: Path, name: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"slipway-test-{name}")])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(subject, subject, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_pair(folder, name, key, certificate)


def _write_leaf(folder: Path, leaf: Leaf) -> None:
    authority = _load(folder / f"{leaf.authority}.crt")
    authority_key = serialization.load_pem_private_key((folder / f"{leaf.authority}.key").read_bytes(), password=None)
    assert isinstance(authority_key, ec.EllipticCurvePrivateKey)  # this module wrote it
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in leaf.organizations]
    subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, leaf.common_name)])
    alternatives = [
        *(x509.DNSName(host) for host in leaf.hosts or (leaf.file,)),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in leaf.addresses),
    ]
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        _builder(subject, authority.subject, key)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _write_pair(folder, leaf.file, key, certificate)


def _write_pair(folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    _write_private(folder / f"{name}.key", key)
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _write_service_account_key(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    _write_private(folder / "sa.key", key)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "sa.pub").write_bytes(public)


def _write_private(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
