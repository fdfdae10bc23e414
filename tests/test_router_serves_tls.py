"""The data port speaks TLS, takes new certificates without a restart, and keeps the old one when they are broken."""

import asyncio
import logging
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from slipway_router.adapters.http.tls import TlsFiles
from slipway_router.app.options import Features, TlsOptions
from slipway_router.app.settings import Settings
from tests.cluster import pki
from tests.fakes.upstream import Upstream, upstream
from tests.routers import KEY, RouterUnderTest, chat, eventually_async, model, running_router

LEAVES = tuple(pki.Leaf(name, name, hosts=("localhost",)) for name in ("first", "second"))
HEADERS = {"authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    pki.ensure(folder, LEAVES)
    return folder


@pytest.fixture
def mounted(tmp_path: Path, authority: Path) -> Path:
    """A folder as kubelets mount Secrets: the files are links into one that ``..data`` points to."""
    for leaf in LEAVES:
        folder = tmp_path / f"..{leaf.file}"
        folder.mkdir()
        shutil.copy(authority / f"{leaf.file}.crt", folder / "tls.crt")
        shutil.copy(authority / f"{leaf.file}.key", folder / "tls.key")
    (tmp_path / "..data").symlink_to("..first")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    return tmp_path


def swap(mounted: Path, name: str) -> None:
    """Let the files be others, all at once."""
    (mounted / "..new").symlink_to(name)
    (mounted / "..new").rename(mounted / "..data")


def options(mounted: Path) -> TlsOptions:
    return TlsOptions(cert_file=str(mounted / "tls.crt"), key_file=str(mounted / "tls.key"))


@asynccontextmanager
async def through_tls(mounted: Path) -> AsyncIterator[tuple[Upstream, RouterUnderTest]]:
    async with (
        upstream() as engine,
        running_router([model("chat-a", engine.port)], features=Features(tls=options(mounted))) as router,
    ):
        yield engine, router


def trusting(authority: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority / "ca.crt"))
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


async def shown(port: int, context: ssl.SSLContext) -> tuple[str, str | None, str | None]:
    """Name in the certificate of a new connection, its version of TLS, and what is spoken in it."""
    _, writer = await asyncio.open_connection("localhost", port, ssl=context)
    connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
    certificate = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
    (name,) = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    writer.close()
    await writer.wait_closed()
    return str(name.value), connection.version(), connection.selected_alpn_protocol()


async def until_shown(port: int, context: ssl.SSLContext, name: str) -> None:
    seen: list[str] = []

    async def look() -> None:
        while seen[-1:] != [name]:
            seen.append((await shown(port, context))[0])

    await asyncio.wait_for(look(), 20)


@pytest.mark.local
async def test_requests_and_streams_go_through(mounted: Path, authority: Path) -> None:
    context = trusting(authority)
    async with through_tls(mounted) as (_, router), httpx2.AsyncClient(verify=context, headers=HEADERS) as client:
        url = f"https://localhost:{router.router.port}"
        answer = await client.post(f"{url}/v1/chat/completions", json=chat())
        stream = await client.post(f"{url}/v1/chat/completions", json=chat(stream=True))
        models = await client.get(f"{url}/v1/models")
        refused = await client.post(f"{url}/v1/chat/completions", content=b"x" * 100, headers={"x": "y" * 100_000})
        assert (await shown(router.router.port, context))[1:] == ("TLSv1.3", "http/1.1")
    assert "Hello there" in answer.text
    assert stream.text.endswith("data: [DONE]\n\n")
    assert (models.status_code, refused.status_code) == (200, 431)


@pytest.mark.local
async def test_old_versions_and_plain_requests_are_refused(mounted: Path, authority: Path) -> None:
    old = trusting(authority)
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with through_tls(mounted) as (engine, router):
        with pytest.raises(OSError):  # noqa: PT011 - a reset, or TLS's word for it
            await shown(router.router.port, old)
        with pytest.raises(httpx2.TransportError):
            await router.post("/v1/chat/completions", chat())
        assert engine.requests == []


@pytest.mark.local
async def test_a_new_certificate_is_shown_and_open_connections_go_on(mounted: Path, authority: Path) -> None:
    context = trusting(authority)
    async with through_tls(mounted) as (_, router), httpx2.AsyncClient(verify=context, headers=HEADERS) as client:
        url = f"https://localhost:{router.router.port}/v1/chat/completions"
        assert (await client.post(url, json=chat())).status_code == 200
        assert (await shown(router.router.port, context))[0] == "first"
        swap(mounted, "..second")
        await until_shown(router.router.port, context, "second")
        assert (await client.post(url, json=chat())).status_code == 200


@pytest.mark.local
async def test_a_broken_pair_changes_nothing(mounted: Path, authority: Path, caplog: pytest.LogCaptureFixture) -> None:
    mixed = mounted / "..mixed"
    mixed.mkdir()
    shutil.copy(mounted / "..second/tls.crt", mixed)
    shutil.copy(mounted / "..first/tls.key", mixed)
    context = trusting(authority)
    async with through_tls(mounted) as (_, router):
        swap(mounted, "..mixed")
        await eventually_async("it is told", lambda: caplog.text, lambda text: "does not fit" in text)
        assert (await shown(router.router.port, context))[0] == "first"
        shutil.copy(mounted / "..second/tls.key", mixed)
        await until_shown(router.router.port, context, "second")


@pytest.mark.local
async def test_who_never_agrees_on_tls_holds_up_nobody(mounted: Path, authority: Path) -> None:
    async with through_tls(mounted) as (_, router):
        with socket.create_connection(("127.0.0.1", router.router.port)):
            assert (await shown(router.router.port, trusting(authority)))[0] == "first"


@pytest.mark.local
def test_uvloop_shows_new_certificates_too(mounted: Path, authority: Path) -> None:
    async def main() -> None:
        async with through_tls(mounted) as (_, router):
            context = trusting(authority)
            assert await shown(router.router.port, context) == ("first", "TLSv1.3", "http/1.1")
            swap(mounted, "..second")
            await until_shown(router.router.port, context, "second")

    uvloop.run(main())


def write(path: Path, content: bytes | None) -> None:
    path.unlink()
    if content is not None:
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("tls.crt", None, "SLIPWAY_TLS_CERT_FILE is '{}': No such file or directory; name a certificate in PEM"),
        ("tls.key", None, "SLIPWAY_TLS_KEY_FILE is '{}': No such file or directory; name a private key in PEM"),
        ("tls.crt", b"x", "SLIPWAY_TLS_CERT_FILE is '{}', which is no certificate in PEM"),
        ("tls.key", b"x", "SLIPWAY_TLS_KEY_FILE is '{}', which is no private key in PEM"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(mounted: Path, name: str, content: bytes | None, says: str) -> None:
    write(mounted / name, content)
    with pytest.raises(ValueError, match="SLIPWAY_TLS") as error:
        Settings(tls=options(mounted)).router_options()
    assert str(error.value) == says.format(mounted / name)


def test_a_key_with_a_password_is_refused(mounted: Path) -> None:
    key = serialization.load_pem_private_key((mounted / "tls.key").read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    write(
        mounted / "tls.key",
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked),
    )
    with pytest.raises(ValueError, match="which is encrypted"):
        TlsFiles(str(mounted / "tls.crt"), str(mounted / "tls.key"))


def test_files_that_stay_are_not_read_again(mounted: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    files = TlsFiles(str(mounted / "tls.crt"), str(mounted / "tls.key"))
    told = len(caplog.records)
    files.refresh()
    assert len(caplog.records) == told
