import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.cluster import pki

LEAVES = (
    pki.Leaf("server", "kube-apiserver", hosts=("kubernetes",), addresses=("127.0.0.1",)),
    pki.Leaf("admin", "admin", organizations=("system:masters",)),
    pki.Leaf("front-proxy-client", "front-proxy-client", authority=pki.FRONT_PROXY_AUTHORITY),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pki.ensure(tmp_path / "pki", LEAVES)
    return tmp_path / "pki"


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


@pytest.mark.parametrize(
    ("leaf", "authority"),
    [("server", "ca"), ("admin", "ca"), ("front-proxy-client", "front-proxy-ca")],
)
def test_leaves_are_signed_by_their_authority(folder: Path, leaf: str, authority: str) -> None:
    load(folder / f"{leaf}.crt").verify_directly_issued_by(load(folder / f"{authority}.crt"))


def test_groups_are_organizations(folder: Path) -> None:
    names = load(folder / "admin.crt").subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert [name.value for name in names] == ["system:masters"]


def test_keys_match_their_certificates(folder: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")  # raises when they do not


def test_keys_are_readable_by_their_owner_only(folder: Path) -> None:
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in folder.glob("*.key")} == dict.fromkeys(
        ("admin.key", "ca.key", "front-proxy-ca.key", "front-proxy-client.key", "sa.key", "server.key"), "0o600"
    )


def test_a_second_call_keeps_what_is_there(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    pki.ensure(folder, LEAVES)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_fresh_certificates_last_thirty_days_and_are_not_due(folder: Path) -> None:
    days = (load(folder / "server.crt").not_valid_after_utc - datetime.now(UTC)).days
    assert days in (29, 30)
    assert not pki.expires_soon(folder)
