"""In-process engines work on so many requests at once, let so many wait, and refuse the others with a 429."""

import asyncio
from typing import Any

import orjson
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from slipway_runtime.adapters.concurrency import BoundedConcurrency, Concurrency
from slipway_runtime.adapters.openai_http import MAX_BODY_BYTES


class Engine:
    """An application that answers with the body it got once it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.at_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", scope["method"] == "POST"
        self.at_work += 1
        try:
            while more:
                message = await receive()
                body += message.get("body", b"")
                more = message.get("more_body", False)
            await self.go.wait()
            await PlainTextResponse(body[:100])(scope, receive, send)
        finally:
            self.at_work -= 1


class Caller:
    """One request; its body and its end come when the test says so."""

    def __init__(self, app: BoundedConcurrency, method: str = "POST", path: str = "/v1/completions") -> None:
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        scope = {"type": "http", "method": method, "path": path, "headers": []}
        self.done = asyncio.create_task(app(scope, self._incoming.get, self._send))

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    def body(self, body: bytes, *, more: bool = False) -> "Caller":
        self._incoming.put_nowait({"type": "http.request", "body": body, "more_body": more})
        return self

    def hang_up(self) -> None:
        self._incoming.put_nowait({"type": "http.disconnect"})

    async def status(self) -> int:
        await asyncio.wait_for(self.done, 5)
        status: int = self.sent[0]["status"]
        return status

    @property
    def answer(self) -> Any:
        return b"".join(message.get("body", b"") for message in self.sent)


async def settle() -> None:
    """Let everything that can run now run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_bound_is_kept_and_those_beyond_are_refused_in_the_envelope() -> None:
    engine = Engine()
    app = BoundedConcurrency(engine, Concurrency(at_work=2, waiting=1))
    callers = [Caller(app).body(b"%d" % index) for index in range(3)]
    await settle()
    assert engine.at_work == 2
    refused = Caller(app)
    assert await refused.status() == 429
    assert orjson.loads(refused.answer)["error"]["code"] == "engine_overloaded"
    assert (b"retry-after", b"1") in refused.sent[0]["headers"]
    for sample in ("running 2.0", "waiting 1.0", "refused_total 1.0"):
        assert f"\nslipway_engine_requests_{sample}\n" in app.metrics()
    engine.go.set()
    assert [await caller.status() for caller in callers] == [200, 200, 200]
    assert [caller.answer for caller in callers] == [b"0", b"1", b"2"]


async def test_a_place_is_free_again_after_each_answer() -> None:
    engine = Engine()
    engine.go.set()
    app = BoundedConcurrency(engine, Concurrency(at_work=1, waiting=0))
    for _ in range(3):
        assert await Caller(app).body(b"x").status() == 200


async def test_who_hangs_up_while_waiting_gives_the_place_back() -> None:
    engine = Engine()
    app = BoundedConcurrency(engine, Concurrency(at_work=1, waiting=1))
    first = Caller(app).body(b"first")
    await settle()
    assert engine.at_work == 1
    second = Caller(app).body(b"second")
    await settle()
    second.hang_up()
    await asyncio.wait_for(second.done, 5)
    third = Caller(app).body(b"third")
    await settle()
    assert not third.done.done()
    engine.go.set()
    assert (await first.status(), await third.status()) == (200, 200)
    assert second.sent == []


async def test_a_slow_upload_takes_no_place_at_work() -> None:
    engine = Engine()
    engine.go.set()
    app = BoundedConcurrency(engine, Concurrency(at_work=1, waiting=1))
    slow = Caller(app).body(b"begin", more=True)
    await settle()
    assert await Caller(app).body(b"fast").status() == 200
    slow.body(b", end")
    assert await slow.status() == 200
    assert slow.answer == b"begin, end"


async def test_what_is_larger_than_engines_take_reaches_the_application_unread() -> None:
    engine = Engine()
    engine.go.set()
    app = BoundedConcurrency(engine, Concurrency(at_work=1, waiting=0))
    caller = Caller(app).body(bytes(MAX_BODY_BYTES), more=True).body(b"x", more=True)
    await settle()
    assert engine.at_work == 1
    caller.body(b"last")
    assert await caller.status() == 200


async def test_other_methods_are_not_counted() -> None:
    engine = Engine()
    app = BoundedConcurrency(engine, Concurrency(at_work=1, waiting=0))
    working = Caller(app).body(b"")
    asking = Caller(app, method="GET")
    await settle()
    assert engine.at_work == 2
    engine.go.set()
    assert (await working.status(), await asking.status()) == (200, 200)


async def test_an_engine_words_its_refusal_by_path() -> None:
    def refuse(scope: Scope) -> Response:
        return JSONResponse({"path": scope["path"]}, 429)

    engine = Engine()
    app = BoundedConcurrency(engine, Concurrency(at_work=1, waiting=0), refuse)
    working = Caller(app).body(b"")
    await settle()
    refused = Caller(app, path="/embed")
    assert await refused.status() == 429
    assert orjson.loads(refused.answer) == {"path": "/embed"}
    engine.go.set()
    assert await working.status() == 200
