"""An engine that does what a test tells it, over real HTTP on loopback."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


@dataclass(frozen=True)
class Received:
    """One request as it came in."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


class Reply:
    """Writes an answer by hand."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer

    async def json(self, content: Any, status: str = "200 OK", headers: str = "") -> None:
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {len(body)}\r\n\r\n"
        await self.raw(head.encode() + body)

    async def begin_stream(self) -> None:
        await self.raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")

    async def chunk(self, data: bytes) -> None:
        await self.raw(b"%x\r\n%b\r\n" % (len(data), data))

    async def event(self, content: Any) -> None:
        await self.chunk(f"data: {json.dumps(content)}\n\n".encode())

    async def end_stream(self) -> None:
        await self.raw(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def die(self) -> None:
        """Cut the connection as a killed process does."""
        self.writer.transport.abort()


Script = Callable[[Received, Reply], Awaitable[None]]


def chat_chunk(text: str) -> dict[str, Any]:
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}],
    }


async def openai_like(received: Received, reply: Reply) -> None:
    """Answers as an engine with all three text tasks does."""
    request = received.json
    path = received.line.split()[1]
    if request.get("stream"):
        await reply.begin_stream()
        for text in ("Hello", " there"):
            await reply.event(chat_chunk(text))
        await reply.event({**chat_chunk(""), "choices": [], "usage": USAGE})
        await reply.end_stream()
    elif path == "/v1/embeddings":
        vector = {"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}
        await reply.json({"object": "list", "model": request["model"], "data": [vector], "usage": USAGE})
    else:
        message = {"role": "assistant", "content": "Hello there"}
        choice = {"index": 0, "message": message, "text": "Hello there", "finish_reason": "stop"}
        common = {"id": "c", "object": "chat.completion", "created": 1, "model": request["model"]}
        await reply.json({**common, "choices": [choice], "usage": USAGE})


@dataclass
class Upstream:
    """A listening engine and what it has seen."""

    port: int
    script: Script = openai_like
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    abandoned: int = 0
    """Requests whose connection the router closed before the script was done."""
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    handlers: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.handlers.add(task)
        self.writers.add(writer)
        try:
            while (received := await _read(reader)) is not None:
                self.requests.append(received)
                if not await self._run(received, reader, writer):
                    self.abandoned += 1
                    break
        except ConnectionError:
            self.abandoned += 1
        finally:
            self.writers.discard(writer)
            self.handlers.discard(task)
            writer.close()

    async def _run(self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        script = asyncio.ensure_future(self.script(received, Reply(writer)))
        watch = asyncio.ensure_future(_gone(reader, writer))
        done, pending = await asyncio.wait((script, watch), return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        if script in done:
            await script
            return True
        return False

    def hang_up(self) -> None:
        """Close every connection, as an engine does with idle ones."""
        for writer in self.writers:
            writer.close()


async def _gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Return when the other side is gone; never takes a byte of the next request."""
    while not (reader.at_eof() or writer.is_closing() or reader.exception()):  # noqa: ASYNC110 - reading would take bytes
        await asyncio.sleep(0.005)


async def _read(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    line, *fields = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (entry.partition(":") for entry in fields)}
    return Received(line, headers, await reader.readexactly(int(headers["content-length"])))


@asynccontextmanager
async def upstream(script: Script = openai_like, tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """An engine on a free port of loopback, behind TLS if ``tls`` is given."""
    engine = Upstream(0, script)
    server = await asyncio.start_server(engine.serve, "127.0.0.1", 0, ssl=tls)
    engine.port = server.sockets[0].getsockname()[1]
    try:
        yield engine
    finally:
        server.close()
        writers = list(engine.writers)
        engine.hang_up()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)
        await asyncio.gather(*engine.handlers, return_exceptions=True)
