"""An answer that the engine breaks off never looks complete to the caller."""

import httpx2
import openai
import pytest

from tests.fakes.upstream import Received, Reply, Script, chat_chunk, upstream
from tests.routers import chat, model, running_router

pytestmark = pytest.mark.local


async def dies_between_events(received: Received, reply: Reply) -> None:
    await reply.begin_stream()
    await reply.event(chat_chunk("Hello"))
    reply.writer.close()


async def dies_within_an_event(received: Received, reply: Reply) -> None:
    await reply.begin_stream()
    await reply.chunk(b'data: {"id": ')
    reply.writer.close()


async def dies_within_a_body(received: Received, reply: Reply) -> None:
    await reply.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
    reply.writer.close()


async def test_a_stream_ends_with_an_error_event() -> None:
    async with upstream(dies_between_events) as engine, running_router([model("chat-a", engine.port)]) as router:
        stream = await router.openai().chat.completions.create(**chat(stream=True))
        first = await anext(stream)
        with pytest.raises(openai.APIError, match="broke off"):
            await anext(stream)
        by_engine = await router.metric("slipway_router_aborted_total", by="engine")
    assert first.choices[0].delta.content == "Hello"
    assert by_engine == 1


@pytest.mark.parametrize("script", [dies_within_an_event, dies_within_a_body])
async def test_a_torn_answer_ends_with_a_torn_connection(
    script: Script,
) -> None:
    async with upstream(script) as engine, running_router([model("chat-a", engine.port)]) as router:
        with pytest.raises(httpx2.RemoteProtocolError):
            await router.post("/v1/chat/completions", chat(stream=True))
    assert len(engine.requests) == 1
