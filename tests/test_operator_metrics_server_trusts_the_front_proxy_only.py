"""The metrics API over real TLS: who brings which certificate, and what the others are told."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from slipway_operator.adapters.metrics_api.authority import renewed
from slipway_operator.adapters.metrics_api.server import serving_metrics_api
from slipway_operator.adapters.metrics_api.tls import Tls
from slipway_operator.domain.errors import ClusterError
from slipway_operator.domain.metrics_api.documents import Document
from slipway_operator.domain.metrics_api.identity import FrontProxy
from slipway_operator.domain.metrics_api.queries import ValueQuery
from slipway_operator.domain.metrics_api.serving import ServiceReference, ServingIdentity
from tests.cluster import pki

HOSTS: Final = ServiceReference("slipway-system", "metrics").hosts
GROUP: Final = "/apis/custom.metrics.k8s.io"
VALUES: Final = f"{GROUP}/v1beta2/namespaces/models/pods/*/slipway_queue_length"
ANN: Final = {"X-Remote-User": "ann"}
PROXY_LEAF: Final = pki.Leaf("front-proxy-client", "front-proxy-client", authority=pki.FRONT_PROXY_AUTHORITY)
OTHER_LEAF: Final = pki.Leaf("other", "other", authority=pki.FRONT_PROXY_AUTHORITY)
STRANGER_LEAF: Final = pki.Leaf("admin", "front-proxy-client")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    pki.ensure(folder, (PROXY_LEAF, OTHER_LEAF, STRANGER_LEAF))
    return folder


class Reviews:
    """Answers every review so, and keeps it."""

    def __init__(self, answer: str | ClusterError | None = None) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []

    async def refusal(self, review: dict[str, Any]) -> str | None:
        self.asked.append(review["spec"])
        if isinstance(self.answer, ClusterError):
            raise self.answer
        return self.answer


class Server:
    """A running server and its callers."""

    def __init__(self, folder: Path, port: int, tls: Tls, identity: ServingIdentity) -> None:
        self.folder = folder
        self.port = port
        self.tls = tls
        self.identity = identity

    async def ask(
        self, path: str, leaf: pki.Leaf | None, method: str = "GET", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and answer for a caller with the certificate ``leaf``, on a connection of its own."""
        context = ssl.create_default_context(cadata=self.identity.authorities)
        if leaf is not None:
            context.load_cert_chain(self.folder / f"{leaf.file}.crt", self.folder / f"{leaf.file}.key")
        url, sent = f"https://127.0.0.1:{self.port}{path}", ANN if headers is None else headers
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
            session.request(method, url, server_hostname=HOSTS[0], headers=sent) as answer,
        ):
            return answer.status, await (answer.json() if answer.content_type.endswith("json") else answer.text())


@asynccontextmanager
async def running(folder: Path, reviews: Reviews) -> AsyncIterator[Server]:
    identity = renewed(None, HOSTS, datetime.now(UTC))
    authority = (folder / f"{pki.FRONT_PROXY_AUTHORITY}.crt").read_text()
    proxy = FrontProxy(authority, ("front-proxy-client",), ("X-Remote-User",), ("X-Remote-Group",), ())
    tls = Tls(identity.pair, authority)

    def answer(query: ValueQuery) -> Document:
        return {"namespace": query.namespace, "name": query.name, "metric": query.metric}

    async with serving_metrics_api("127.0.0.1", 0, tls.context, lambda: proxy, reviews, answer) as port:
        yield Server(folder, port, tls, identity)


async def test_the_front_proxy_is_answered(certificates: Path) -> None:
    reviews = Reviews()
    async with running(certificates, reviews) as server:
        told = {"namespace": "models", "name": "*", "metric": "slipway_queue_length"}
        assert await server.ask(VALUES, PROXY_LEAF) == (200, told)
        status, listed = await server.ask(f"{GROUP}/v1beta2", PROXY_LEAF)
        assert (status, listed["kind"]) == (200, "APIResourceList")
    values, discovery = reviews.asked
    assert (values["user"], values["groups"]) == ("ann", ["system:authenticated"])
    assert values["resourceAttributes"]["subresource"] == "slipway_queue_length"
    assert discovery["nonResourceAttributes"] == {"path": f"{GROUP}/v1beta2", "verb": "get"}


@pytest.mark.parametrize(
    ("leaf", "headers"),
    [(None, ANN), (OTHER_LEAF, ANN), (PROXY_LEAF, {})],
    ids=["no certificate", "another name", "no user"],
)
async def test_others_are_unauthorized(certificates: Path, leaf: pki.Leaf | None, headers: dict[str, str]) -> None:
    reviews = Reviews()
    async with running(certificates, reviews) as server:
        status, answer = await server.ask(VALUES, leaf, headers=headers)
    assert (status, answer["kind"], answer["reason"]) == (401, "Status", "Unauthorized")
    assert reviews.asked == []


async def test_a_certificate_of_another_authority_ends_the_handshake(certificates: Path) -> None:
    reviews = Reviews()
    async with running(certificates, reviews) as server:
        with pytest.raises((aiohttp.ClientError, ssl.SSLError, ConnectionError)):
            await server.ask(VALUES, STRANGER_LEAF)
    assert reviews.asked == []


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
async def test_probes_need_no_certificate(certificates: Path, path: str) -> None:
    async with running(certificates, Reviews()) as server:
        assert await server.ask(path, None, headers={}) == (200, "ok")


@pytest.mark.parametrize(
    ("refusal", "status", "reason"),
    [("no RBAC", 403, "Forbidden"), ("", 403, "Forbidden"), (ClusterError(0, "away"), 503, "ServiceUnavailable")],
)
async def test_what_the_authoriser_refuses_is_not_told(
    certificates: Path, refusal: str | ClusterError, status: int, reason: str
) -> None:
    async with running(certificates, Reviews(refusal)) as server:
        for path in (VALUES, GROUP, "/openapi/v3", "/anything"):
            code, answer = await server.ask(path, PROXY_LEAF)
            assert (code, answer["kind"], answer["reason"]) == (status, "Status", reason)


async def test_what_is_not_served_says_so(certificates: Path) -> None:
    async with running(certificates, Reviews()) as server:
        assert (await server.ask("/openapi/v3", PROXY_LEAF))[0] == 404
        assert (await server.ask(VALUES, PROXY_LEAF, method="POST"))[0] == 405


async def test_certificate_and_trust_are_exchanged_while_it_serves(certificates: Path, tmp_path: Path) -> None:
    pki.ensure(tmp_path, (PROXY_LEAF,))
    authority = (tmp_path / f"{pki.FRONT_PROXY_AUTHORITY}.crt").read_text()
    async with running(certificates, Reviews()) as server:
        before, after = server, Server(tmp_path, server.port, server.tls, renewed(None, HOSTS, datetime.now(UTC)))
        server.tls.exchange(after.identity.pair, authority)
        assert (await after.ask(GROUP, PROXY_LEAF))[0] == 200
        # The certificate before is not shown any more, and the authority before is not trusted.
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await before.ask("/healthz", None)
        with pytest.raises((aiohttp.ClientError, ssl.SSLError, ConnectionError)):
            await Server(certificates, server.port, server.tls, after.identity).ask(GROUP, PROXY_LEAF)
