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
    """Stores the Lease at once; the last of ``writes`` is answered late, and later ones never arrive."""

    def __init__(self, writes: int) -> None:
        self.lease: dict[str, Any] | None = None
        self.written_at = 0.0
        self._left = writes

    async def request(
        self, method: str, path: str, body: Any = None, *, content_type: str = JSON, **query: str
    ) -> dict[str, Any]:
        if method == "GET" and self.lease is None:
            raise NotFoundError(404, "no Lease")
        if method != "GET":
            await self._write(body)
        assert self.lease is not None
        return self.lease

    async def _write(self, lease: dict[str, Any]) -> None:
        if self._left == 0:
            await asyncio.Event().wait()
        self._left -= 1
        self.lease, self.written_at = lease, asyncio.get_running_loop().time()
        if self._left == 0:
            await asyncio.sleep(ANSWER_SECONDS)


async def seconds_from_the_last_write_to_the_end(writes: int) -> float:
    api = SlowApi(writes)
    lease = Lease(api, "system", "operator", "a", TIMING, lambda: START)
    await lease.acquire()
    with pytest.raises(LeadershipLostError):
        await lease.hold()
    return asyncio.get_running_loop().time() - api.written_at


@pytest.mark.parametrize("writes", [1, 2], ids=["taken", "renewed"])
def test_time_counts_from_the_write_not_from_its_answer(writes: int) -> None:
    assert run_virtual(seconds_from_the_last_write_to_the_end(writes)) == pytest.approx(TIMING.renew_deadline)
