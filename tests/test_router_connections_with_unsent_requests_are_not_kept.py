"""An engine may answer before it has read the request; the rest of that must not stand before the next one."""

import asyncio

import pytest

from tests.routers import chat, model, running_router

pytestmark = pytest.mark.local

_ANSWER = b"HTTP/1.1 413 Too Large\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


async def test_the_next_request_gets_a_connection_of_its_own() -> None:
    writers: list[asyncio.StreamWriter] = []

    async def answer_early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_ANSWER)

    server = await asyncio.start_server(answer_early, "127.0.0.1", 0, limit=4096)
    port = server.sockets[0].getsockname()[1]
    async with running_router([model("chat-a", port)]) as router:
        statuses = [
            (await router.post("/v1/chat/completions", chat(user="x" * size))).status_code for size in (16_000_000, 1)
        ]
    server.close()
    for writer in writers:
        writer.transport.abort()
    assert statuses == [413, 413]
    assert len(writers) == 2
