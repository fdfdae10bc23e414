"""`/api`: simple JSON in, text out, whole or as it is written; limits and errors are those of the real call."""

import asyncio
import json

import httpx2
import pytest

from slipway_crds.engines import EngineType, Task
from tests.fakes.upstream import USAGE, Received, Reply, chat_chunk, upstream
from tests.routers import CHAT_KEY, KEY, eventually_async, model, running_router

pytestmark = pytest.mark.local

TURNS = [{"role": "user", "content": "Hi"}]


async def test_a_prompt_and_a_chat_get_their_text() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        generated = await router.post("/api/generate", {"model": "chat-a", "prompt": "Hi", "min_p": 0.5})
        chatted = await router.post("/api/chat", {"model": "chat-a", "messages": TURNS, "max_tokens": 5})
        plain = await router.post(
            "/api/generate", {"model": "chat-a", "prompt": "Hi"}, headers={"accept": "text/plain"}
        )
    expected = {"model": "chat-a", "text": "Hello there", "finish_reason": "stop", "usage": USAGE}
    assert generated.json() == chatted.json() == expected
    assert plain.text == "Hello there"
    assert [received.line.split()[1] for received in engine.requests[:2]] == ["/v1/completions", "/v1/chat/completions"]
    assert engine.requests[0].json == {"model": "chat-a", "prompt": "Hi", "min_p": 0.5, "stream": False}
    assert engine.requests[1].json == {"model": "chat-a", "messages": TURNS, "max_tokens": 5, "stream": False}
    assert "authorization" not in engine.requests[0].headers


@pytest.mark.parametrize("path", ["/api/generate", "/api/generate/stream"])
async def test_fields_that_only_engines_know_reach_them_as_they_are(path: str) -> None:
    own = {"seed_of_mine": 2**64, "nested": {"list": [-(2**70), 0.5, None, "ü"]}}
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        answer = await router.post(path, {"model": "chat-a", "prompt": "Hi", **own})
    assert answer.status_code == 200
    assert {name: engine.requests[0].json[name] for name in own} == own


async def test_a_system_message_makes_a_prompt_a_chat() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        await router.post("/api/generate", {"model": "chat-a", "prompt": "Hi", "system": "Be brief."})
    assert engine.requests[0].json["messages"] == [{"role": "system", "content": "Be brief."}, *TURNS]


async def test_a_model_that_only_chats_is_given_a_chat() -> None:
    only_chats = frozenset({Task.CHAT})
    async with upstream() as engine, running_router([model("chat-a", engine.port, tasks=only_chats)]) as router:
        answer = await router.post("/api/generate", {"model": "chat-a", "prompt": "Hi"})
    assert answer.json()["text"] == "Hello there"
    assert engine.requests[0].json["messages"] == TURNS


@pytest.mark.parametrize(
    ("path", "fields"), [("/api/generate/stream", {"prompt": "Hi"}), ("/api/chat/stream", {"messages": TURNS})]
)
async def test_a_stream_is_texts_and_an_end(path: str, fields: dict[str, object]) -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        answer = await router.post(path, {"model": "chat-a", **fields})
    assert answer.headers["content-type"].startswith("text/event-stream")
    *texts, end, rest = answer.text.split("\n\n")
    assert "".join(json.loads(text.removeprefix("data: "))["text"] for text in texts) == "Hello there"
    name, data = end.split("\n")
    assert name == "event: done"
    assert json.loads(data.removeprefix("data: ")) == {"model": "m", "finish_reason": None, "usage": USAGE}
    assert rest == ""


async def test_of_several_texts_the_first_one_is_given() -> None:
    async def both(received: Received, reply: Reply) -> None:
        await reply.begin_stream()
        for index, text in ((0, "Hello"), (1, "Bye"), (0, " there")):
            chunk = chat_chunk(text)
            chunk["choices"][0]["index"] = index
            await reply.event(chunk)
        await reply.end_stream()

    async with upstream(both) as engine, running_router([model("chat-a", engine.port)]) as router:
        answer = await router.post("/api/chat/stream", {"model": "chat-a", "messages": TURNS, "n": 2})
    texts = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line.startswith("data: ")]
    assert "".join(json.loads(text)["text"] for text in texts) == "Hello there"


async def test_models_that_write_text_are_listed() -> None:
    embeds = model("embed-a", 1, engine=EngineType.ONNX, tasks=frozenset({Task.EMBEDDINGS}))
    async with running_router([model("chat-a", 1), model("other", 1), embeds]) as router:
        every = (await router.request("GET", "/api/llms")).json()["models"]
        opened = (await router.request("GET", "/api/llms", key=CHAT_KEY)).json()["models"]
    assert [entry["name"] for entry in every] == ["chat-a", "other"]
    assert [entry["name"] for entry in opened] == ["chat-a"]
    assert every[0]["state"] == "ready"


@pytest.mark.parametrize("path", ["/api/generate", "/api/generate/stream"])
async def test_errors_are_those_of_the_real_call(path: str) -> None:
    async def refuse(received: Received, reply: Reply) -> None:
        await reply.json({"error": {"message": "the prompt is too long"}}, "422 Unprocessable Content")

    async with (
        upstream(refuse) as engine,
        running_router([model("chat-a", engine.port), model("other", engine.port)]) as router,
    ):
        unknown = await router.post(path, {"model": "nobody", "prompt": "Hi"})
        foreign = await router.post(path, {"model": "other", "prompt": "Hi"}, key=CHAT_KEY)
        nobody = await router.post(path, {"model": "chat-a", "prompt": "Hi"}, key=None)
        refused = await router.post(path, {"model": "chat-a", "prompt": "Hi"}, headers={"x-request-id": "mine"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    assert (foreign.status_code, foreign.json()["error"]["code"]) == (403, "model_not_allowed")
    assert (nobody.status_code, nobody.json()["error"]["code"]) == (401, "invalid_api_key")
    assert (refused.status_code, refused.json()["error"]["message"]) == (422, "the prompt is too long")
    assert refused.headers.get_list("x-request-id") == ["mine"]


@pytest.mark.parametrize(
    ("content", "param"),
    [
        ({"prompt": "Hi"}, "model"),
        ({"model": "chat-a"}, "prompt"),
        ({"model": "chat-a", "prompt": 5}, "prompt"),
        ({"model": "chat-a", "prompt": "Hi", "stop": [1]}, "stop"),
        ({"model": "chat-a", "prompt": "Hi", "temperature": 3}, "temperature"),
    ],
)
async def test_a_wrong_field_is_named(content: dict[str, object], param: str) -> None:
    async with running_router([model("chat-a", 1)]) as router:
        answer = await router.post("/api/generate", content)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith(param)


async def test_an_answer_that_breaks_off_ends_with_an_error() -> None:
    async def die(received: Received, reply: Reply) -> None:
        await reply.begin_stream()
        await reply.event(chat_chunk("Hel"))
        reply.die()

    async with upstream(die) as engine, running_router([model("chat-a", engine.port)]) as router:
        answer = await router.post("/api/chat/stream", {"model": "chat-a", "messages": TURNS})
    assert 'data: {"text":"Hel"}' in answer.text
    name, data = answer.text.strip().split("\n\n")[-1].split("\n")
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"]["code"] == "engine_error"


@pytest.mark.parametrize("path", ["/api/chat", "/api/chat/stream"])
async def test_a_caller_who_leaves_stops_the_engine(path: str) -> None:
    async def endless(received: Received, reply: Reply) -> None:
        await reply.begin_stream()
        while True:
            await reply.event(chat_chunk("more "))
            await asyncio.sleep(0.01)

    async with upstream(endless) as engine, running_router([model("chat-a", engine.port)]) as router:
        async with (
            asyncio.timeout(5),
            httpx2.AsyncClient() as client,
        ):
            asking = asyncio.create_task(
                client.post(
                    router.url + path,
                    headers={"authorization": f"Bearer {KEY}"},
                    json={"model": "chat-a", "messages": TURNS},
                )
            )
            await eventually_async("the request", lambda: len(engine.requests), lambda n: n == 1)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        await eventually_async("the end of the engine's work", lambda: engine.abandoned, lambda n: n == 1, within=1)
