"""A store that refuses every call, since it is full, gets a line in the log now and then, not one for each request."""

import asyncio
import logging

import pytest

from slipway_router.adapters.throttled_log import ThrottledLog
from slipway_router.app.options import Features
from slipway_router.domain.callers.keys import Limits
from tests.fakes.upstream import upstream
from tests.limited_callers import LIMITED_KEY, limit
from tests.routers import chat, model, running_router
from tests.store_programs import StoreProgram
from tests.store_servers import StoreServer, store_server

__all__ = ["store_server"]
REQUESTS = 20


@pytest.mark.local
@pytest.mark.parametrize("store_server", StoreProgram, indirect=True)
async def test_a_full_store_is_told_once_and_counted_each_time(
    store_server: StoreServer, caplog: pytest.LogCaptureFixture
) -> None:
    features = Features.model_validate({"store": {"url": store_server.url}, "limits": {"fail_mode": "closed"}})
    async with upstream() as engine, running_router([model("chat-a", engine.port)], features=features) as router:
        limit(router, Limits(requests_per_minute=1000))

        async def ask() -> int:
            return (await router.post("/v1/chat/completions", chat(), LIMITED_KEY)).status_code

        async def begin_session() -> int:
            return (await router.post("/chat/sessions", {"model": "chat-a"}, LIMITED_KEY)).status_code

        assert await ask() == 200
        store_server.command("CONFIG", "SET", "maxmemory", "1")
        refused = await asyncio.gather(*(ask() for _ in range(REQUESTS)), *(begin_session() for _ in range(REQUESTS)))
        assert set(refused) == {503}
        assert await router.metric("slipway_router_limit_store_errors_total", reason="refused") >= REQUESTS
        store_server.command("CONFIG", "SET", "maxmemory", "0")
        assert await ask() == 200
    told = [record.getMessage() for record in caplog.records if "maxmemory" in record.getMessage()]
    assert len([line for line in told if line.startswith("the store of limits refused a call")]) == 1
    assert len([line for line in told if line.startswith("sessions: the store failed")]) == 1


def test_what_was_not_told_is_counted_in_the_next_line(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    log = ThrottledLog(logging.getLogger("store"), lambda: now)
    for now in (0.0, 1.0, 9.0, 10.0, 11.0, 30.0, 40.0):
        log.tell(logging.WARNING, "full at %d", now)
    assert caplog.messages == [
        "full at 0",
        "full at 10 (and 2 more since the last such line)",
        "full at 30 (and 1 more since the last such line)",
        "full at 40",
    ]
