"""`/chat/ws`, with a real WebSocket client: tokens come as they are written, and a chat can be cancelled."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from slipway_router.adapters.api.websocket_chat import ChatSocket
from tests.fakes.upstream import USAGE, Received, Reply, chat_chunk, upstream
from tests.routers import KEY, eventually_async, model, running_router
from tests.websockets_chat import TURNS, chatting

pytestmark = pytest.mark.local


async def endless(received: Received, reply: Reply) -> None:
    await reply.begin_stream()
    while True:
        await reply.event(chat_chunk("more "))
        await asyncio.sleep(0.005)


async def test_a_chat_comes_token_by_token() -> None:
    async with (
        upstream() as engine,
        running_router([model("chat-a", engine.port)]) as router,
        chatting(router) as client,
    ):
        await client.chat(temperature=0.5)
        frames = await client.until("done")
        await client.chat("2")
        assert (await client.until("done"))[-1]["id"] == "2"
    assert frames[:-1] == [{"type": "token", "id": "1", "text": text} for text in ("Hello", " there")]
    assert frames[-1] == {"type": "done", "id": "1", "model": "m", "finish_reason": None, "usage": USAGE}
    sent = engine.requests[0].json
    assert sent.pop("stream_options")["include_usage"] is True
    assert sent == {"model": "chat-a", "messages": TURNS, "temperature": 0.5, "stream": True}
    assert "authorization" not in engine.requests[0].headers


async def test_browsers_send_the_key_in_the_first_frame() -> None:
    async with (
        upstream() as engine,
        running_router([model("chat-a", engine.port)]) as router,
        chatting(router, key=None) as client,
    ):
        await client.say(type="auth", key=KEY)
        assert await client.hear() == {"type": "ready"}
        await client.chat()
        assert (await client.until("done"))[-1]["usage"] == USAGE


@pytest.mark.parametrize("frame", [{"type": "auth", "key": "wrong"}, {"type": "cancel", "id": "1"}, {"type": "auth"}])
async def test_without_a_key_the_connection_ends(frame: dict[str, Any]) -> None:
    async with running_router([model("chat-a", 1)]) as router, chatting(router, key=None) as client:
        await client.say(**frame)
        said = await client.hear()
        assert said["type"] == "error"
        with pytest.raises(ConnectionClosed) as closed:
            await client.hear()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


async def test_a_wrong_key_in_the_handshake_is_refused_as_elsewhere() -> None:
    async with running_router([model("chat-a", 1)]) as router:
        with pytest.raises(InvalidStatus) as refused:
            async with chatting(router, key="wrong"):
                pass
    assert refused.value.response.status_code == 401
    assert b'"invalid_api_key"' in refused.value.response.body


async def test_a_key_must_come_in_time() -> None:
    async def identify(headers: object, peer: str) -> Any:
        raise AssertionError

    said: list[Any] = []
    events = [{"type": "websocket.connect"}]

    async def receive() -> Any:
        if not events:
            await asyncio.Event().wait()
        return events.pop()

    async def send(message: Any) -> None:
        said.append(message)

    unused: Any = None
    socket = ChatSocket(unused, identify, unused, lambda: "id", auth_seconds=0.01)
    await asyncio.wait_for(socket({"type": "websocket", "headers": []}, receive, send), 5)
    assert [message["type"] for message in said] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert said[-1]["code"] == 1008


async def test_a_cancelled_chat_stops_the_engine_and_leaves_the_others() -> None:
    async def by_name(received: Received, reply: Reply) -> None:
        if received.json.get("seed") == 1:
            await endless(received, reply)
        await reply.begin_stream()
        await go_on.wait()
        await reply.event(chat_chunk("late"))
        await reply.end_stream()

    go_on = asyncio.Event()
    async with (
        upstream(by_name) as engine,
        running_router([model("chat-a", engine.port)]) as router,
        chatting(router) as client,
    ):
        await client.chat("a", seed=1)
        await client.chat("b")
        await client.until("token")
        await eventually_async("both requests", lambda: len(engine.requests), lambda n: n == 2)
        await client.say(type="cancel", id="a")
        await eventually_async("the end of the engine's work", lambda: engine.abandoned, lambda n: n == 1, within=1)
        end = (await client.until("done"))[-1]
        go_on.set()
        rest = await client.until("done")
    assert (end["id"], end["finish_reason"]) == ("a", "cancelled")
    assert [(frame["type"], frame["id"]) for frame in rest] == [("token", "b"), ("done", "b")]


async def test_leaving_stops_the_engine() -> None:
    async with upstream(endless) as engine, running_router([model("chat-a", engine.port)]) as router:
        async with chatting(router) as client:
            await client.chat()
            await client.until("token")
        await eventually_async("the end of the engine's work", lambda: engine.abandoned, lambda n: n == 1, within=1)


async def test_a_caller_who_does_not_read_holds_the_engine_back() -> None:
    sent = 0

    async def flood(received: Received, reply: Reply) -> None:
        nonlocal sent
        await reply.begin_stream()
        for _ in range(2000):
            await reply.event(chat_chunk("x" * 16_384))
            sent += 1
        await reply.end_stream()

    async with (
        upstream(flood) as engine,
        running_router([model("chat-a", engine.port)]) as router,
        chatting(router) as client,
    ):
        await client.chat()
        seen = await until_still(lambda: sent)
        assert seen < 2000
        texts = [frame["text"] for frame in (await client.until("done"))[:-1]]
    assert sum(map(len, texts)) == 2000 * 16_384


async def until_still(look: Any) -> int:
    """Look until the number is no longer another after a while."""
    before, now = -1, look()
    async with asyncio.timeout(20):
        while before != now or not now:
            before = now
            await asyncio.sleep(0.5)
            now = look()
    return int(now)


async def test_a_session_remembers_what_is_said() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        session = (await router.post("/chat/sessions", {"model": "chat-a"})).json()["id"]
        async with chatting(router) as client:
            await client.chat(session=session, content="Hi")
            await client.until("done")
        kept = (await router.request("GET", f"/chat/history/{session}")).json()["messages"]
    assert kept == [*TURNS, {"role": "assistant", "content": "Hello there"}]


@pytest.mark.parametrize(
    ("frame", "code", "param"),
    [
        ({"type": "chat", "id": "1", "model": "nobody", "messages": TURNS}, "model_not_found", "model"),
        ({"type": "chat", "id": "1", "model": "chat-a"}, "missing_required_parameter", "messages"),
        ({"type": "chat", "id": "1", "messages": TURNS}, "missing_required_parameter", "model"),
        ({"type": "chat", "id": "1", "session": "none", "content": "Hi"}, "session_not_found", None),
        ({"type": "chat", "id": "1", "model": "chat-a", "messages": []}, "invalid_value", "messages"),
        ({"type": "dance", "id": "1"}, "invalid_value", "type"),
        ({"type": "auth", "id": "1", "key": "again"}, "invalid_value", "id"),
    ],
)
async def test_a_wrong_frame_is_told_and_the_next_one_works(
    frame: dict[str, Any], code: str, param: str | None
) -> None:
    async with (
        upstream() as engine,
        running_router([model("chat-a", engine.port)]) as router,
        chatting(router) as client,
    ):
        await client.say(**frame)
        said = await client.hear()
        await client.chat("next")
        assert (await client.until("done"))[-1]["id"] == "next"
    assert (said["type"], said["id"]) == ("error", "1")
    assert (said["error"]["code"], said["error"]["param"]) == (code, param)


async def test_only_a_few_chats_run_at_a_time() -> None:
    async with (
        upstream(endless) as engine,
        running_router([model("chat-a", engine.port)]) as router,
        chatting(router) as client,
    ):
        for number in range(5):
            await client.chat(str(number))
        refused = (await client.until("error"))[-1]
        assert len(engine.requests) <= 4
    assert (refused["id"], refused["error"]["code"]) == ("4", "too_many_chats")


async def test_a_restart_lets_the_chat_finish() -> None:
    go_on = asyncio.Event()

    async def slow(received: Received, reply: Reply) -> None:
        await reply.begin_stream()
        await reply.event(chat_chunk("first"))
        await go_on.wait()
        await reply.event(chat_chunk(" last"))
        await reply.end_stream()

    async with upstream(slow) as engine, AsyncExitStack() as served:
        models = [model("chat-a", engine.port)]
        router = await served.enter_async_context(running_router(models, drain_seconds=10))
        async with chatting(router) as client, chatting(router) as idle:
            await client.chat()
            await client.until("token")
            ending = asyncio.create_task(served.aclose())
            with pytest.raises(ConnectionClosed) as closed:
                await idle.hear()
            await client.chat("2")
            assert (await client.until("error"))[-1]["error"]["code"] == "router_overloaded"
            go_on.set()
            frames = await client.until("done")
            await ending
    assert [frame.get("text") for frame in frames] == [" last", None]
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


async def test_other_requests_there_are_told_to_upgrade() -> None:
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    async with running_router([model("chat-a", 1)]) as router:
        plain = await router.request("GET", "/chat/ws", key=None)
        elsewhere = await router.request("GET", "/v1/models", headers=upgrade)
    assert (plain.status_code, plain.headers["upgrade"]) == (426, "websocket")
    assert elsewhere.status_code == 200
