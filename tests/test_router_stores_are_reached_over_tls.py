"""A store with TLS must show a certificate that is trusted and has its name."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway_router.adapters.limits.metrics import LimitMetrics
from slipway_router.adapters.limits.shared import SharedLimiter
from slipway_router.app.options import StoreOptions
from slipway_router.domain.callers.keys import Caller, Limits
from slipway_router.domain.limits.verdict import LimitsUnavailableError, Verdict
from tests.cluster import pki
from tests.store_servers import StoreServer, running_store

pytestmark = pytest.mark.local

AUTHORITY = "ca.crt"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pki")
    pki.ensure(made, [pki.Leaf(name, name, hosts=(host,)) for name, host in (("right", "localhost"), ("wrong", "x.y"))])
    return made


@pytest.fixture(params=["right", "wrong"])
def server(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> Iterator[StoreServer]:
    with running_store(tmp_path, (folder / f"{request.param}.crt", folder / f"{request.param}.key")) as running:
        yield running


async def reserve(url: str) -> Verdict:
    limiter = SharedLimiter(StoreOptions(url=url).url, prefix="t", timeout=5, watcher=LimitMetrics())
    try:
        return await limiter.reserve(Caller("ns/a", limits=Limits(requests_per_minute=2)), 0)
    finally:
        await limiter.close()


@pytest.mark.parametrize("server", ["right"], indirect=True)
async def test_a_trusted_certificate_with_the_right_name(server: StoreServer, folder: Path) -> None:
    verdict = await reserve(f"rediss://localhost:{server.tls_port}/0?ssl_ca_certs={folder / AUTHORITY}")
    assert (verdict.refusal, verdict.requests_left) == (None, 1)


@pytest.mark.parametrize("server", ["wrong"], indirect=True)
async def test_another_name_is_refused(server: StoreServer, folder: Path) -> None:
    with pytest.raises(LimitsUnavailableError, match="Hostname mismatch"):
        await reserve(f"rediss://localhost:{server.tls_port}/0?ssl_ca_certs={folder / AUTHORITY}")


@pytest.mark.parametrize("server", ["right"], indirect=True)
async def test_an_unknown_authority_is_refused(server: StoreServer) -> None:
    with pytest.raises(LimitsUnavailableError, match="certificate verify failed"):
        await asyncio.wait_for(reserve(f"valkeys://localhost:{server.tls_port}/0"), 20)
