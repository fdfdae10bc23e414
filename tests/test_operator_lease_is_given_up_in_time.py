"""A holder that cannot renew stops before others may take over, however late the last answer came."""

import asyncio
from typing import Any

import pytest

from slipway_operator.adapters.kube_api import JSON, KubeApi
from slipway_operator.adapters.lease import LeadershipLostError, Lease
from slipway_operator.domain.election import LeaseTiming
from slipway_operator.domain.errors import NotFoundError
from tests.fakes.virtual_time import run_virtual
from tests.operators import START

TIMING = LeaseTiming()
ANSWER_SECONDS = 7.0


class SlowApi(KubeApi):
    """Stores the Lease at once; the first renewal is answered late, and the later ones never arrive."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.renewed_at: float | None = None

    async def request(
        self, method: str, path: str, body: Any = None, *, content_type: str = JSON, **query: str
    ) -> dict[str, Any]:
        if method == "GET" and self.lease is None:
            raise NotFoundError(404, "no Lease")
        if method == "POST":
            self.lease = body
        elif self.renewed_at is not None:
            await asyncio.Event().wait()
        else:
            self.lease, self.renewed_at = body, asyncio.get_running_loop().time()
            await asyncio.sleep(ANSWER_SECONDS)
        assert self.lease is not None
        return self.lease


async def seconds_from_the_last_renewal_to_the_end() -> float:
    api = SlowApi()
    lease = Lease(api, "system", "operator", "a", TIMING, lambda: START)
    await lease.acquire()
    with pytest.raises(LeadershipLostError):
        await lease.hold()
    assert api.renewed_at is not None
    return asyncio.get_running_loop().time() - api.renewed_at


def test_time_counts_from_the_request_not_from_its_answer() -> None:
    assert run_virtual(seconds_from_the_last_renewal_to_the_end()) == pytest.approx(TIMING.renew_deadline)
