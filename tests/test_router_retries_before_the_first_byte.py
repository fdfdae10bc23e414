"""As long as nothing was answered, another try is made: on a new connection, or on another replica."""

import socket

import pytest

from tests.fakes.upstream import Received, Reply, Upstream, openai_like, upstream
from tests.routers import chat, model, running_router

pytestmark = pytest.mark.local
CHAT = "/v1/chat/completions"


async def dies(received: Received, reply: Reply) -> None:
    reply.die()


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class DiesOnReuse:
    """Takes one request per connection and resets on the second, as when a keep-alive runs out just then."""

    def __init__(self) -> None:
        self.engine: Upstream | None = None
        self.seen: set[int] = set()

    async def __call__(self, received: Received, reply: Reply) -> None:
        connection = id(reply.writer)
        if connection in self.seen:
            reply.die()
            return
        self.seen.add(connection)
        await openai_like(received, reply)


async def test_a_kept_connection_that_died_is_replaced() -> None:
    async with upstream(DiesOnReuse()) as engine, running_router([model("chat-a", engine.port)]) as router:
        statuses = [(await router.post(CHAT, chat())).status_code for _ in range(5)]
    assert statuses == [200] * 5
    assert engine.connections > 1


async def test_idle_connections_that_the_engine_closed_are_not_used() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        first = await router.post(CHAT, chat())
        engine.hang_up()
        second = await router.post(CHAT, chat())
    assert (first.status_code, second.status_code) == (200, 200)


async def test_a_replica_that_refuses_is_passed_over() -> None:
    async with upstream() as engine, running_router([model("chat-a", closed_port(), engine.port)]) as router:
        statuses = [(await router.post(CHAT, chat())).status_code for _ in range(20)]
        retries = await router.metric("slipway_router_retries_total", model="chat-a")
    assert statuses == [200] * 20
    assert 1 <= retries < 10  # It rests after each.


async def test_a_replica_that_dies_is_passed_over() -> None:
    async with (
        upstream(dies) as bad,
        upstream() as good,
        running_router([model("chat-a", bad.port, good.port)]) as router,
    ):
        statuses = [(await router.post(CHAT, chat())).status_code for _ in range(20)]
    assert statuses == [200] * 20
    assert 1 <= len(bad.requests) < 10


async def test_tries_are_bounded() -> None:
    async with upstream(dies) as engine, running_router([model("chat-a", engine.port)]) as router:
        answer = await router.post(CHAT, chat())
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "engine_error"
    assert len(engine.requests) == 3


async def test_nobody_there_is_told() -> None:
    async with running_router([model("chat-a", closed_port())]) as router:
        answer = await router.post(CHAT, chat())
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "engine_unreachable"
