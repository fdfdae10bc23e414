"""Real OpenAI clients get chat, completions, embeddings and the list of models through the router."""

import pytest

from tests.fakes.upstream import upstream
from tests.routers import CHAT_KEY, chat, model, running_router

pytestmark = pytest.mark.local


async def test_chat() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        answer = await router.openai().chat.completions.create(**chat())
    assert answer.choices[0].message.content == "Hello there"
    assert engine.requests[0].json == chat()


async def test_streamed_chat() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        stream = await router.openai().chat.completions.create(**chat(stream=True))
        texts = [chunk.choices[0].delta.content async for chunk in stream if chunk.choices]
    assert texts == ["Hello", " there"]


async def test_completions() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        answer = await router.openai().completions.create(model="chat-a", prompt="Hi")
    assert answer.choices[0].text == "Hello there"


async def test_embeddings() -> None:
    async with upstream() as engine, running_router([model("embed-a", engine.port)]) as router:
        answer = await router.openai().embeddings.create(model="embed-a", input="Hi", encoding_format="float")
    assert answer.data[0].embedding == [0.5, -0.25]


async def test_models_are_those_of_the_key_asleep_or_awake() -> None:
    models = [model("chat-a", 1), model("chat-b", wakeable=True, phase="asleep"), model("embed-a", 1)]
    async with running_router(models) as router:
        listed = await router.openai(CHAT_KEY).models.list()
        one = await router.openai(CHAT_KEY).models.retrieve("chat-b")
    states = {entry.id: entry.model_dump()["state"] for entry in listed.data}
    assert states == {"chat-a": "ready", "chat-b": "asleep"}
    assert one.id == "chat-b"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions", "/v1/chat/completions?api-version=1"])
async def test_unversioned_paths_are_the_same(path: str) -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        answer = await router.post(path, chat())
    assert answer.status_code == 200
    assert engine.requests[0].line == "POST /v1/chat/completions HTTP/1.1"


async def test_models_share_the_address() -> None:
    async with (
        upstream() as one,
        upstream() as other,
        running_router([model("chat-a", one.port), model("chat-b", other.port)]) as router,
    ):
        for name in ("chat-a", "chat-b", "chat-b"):
            await router.post("/v1/chat/completions", chat(name))
    assert (len(one.requests), len(other.requests)) == (1, 2)
