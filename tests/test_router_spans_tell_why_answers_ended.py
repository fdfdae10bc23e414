"""Spans of text generation have the engine's reasons for the end of each text, however the answer comes."""

import json
from pathlib import Path
from typing import Any

import pytest

from slipway_crds.engines import Operation
from slipway_router.app.options import Features
from slipway_router.domain.metering.finish_reasons import FinishReasons
from slipway_router.domain.metering.usage import UsageFinder
from tests.fakes.upstream import USAGE, Received, Reply, chat_chunk, upstream
from tests.otel_collector import Collector
from tests.routers import chat, model, running_router

CHAT = "/v1/chat/completions"
REASONS = "gen_ai.response.finish_reasons"
TRACE = "5cf92f3577b34da6a3ce929d0e0e48"


def traced(collector: Collector, **others: Any) -> Features:
    return Features.model_validate({"telemetry": {"otlp_endpoint": collector.endpoint}, **others})


async def two_texts(received: Received, reply: Reply) -> None:
    """Two choices, as a stream if that is asked for."""
    if not received.json.get("stream"):
        message = {"role": "assistant", "content": 'say "finish_reason": "nothing"'}
        choices = [{"index": n, "message": message, "finish_reason": why} for n, why in enumerate(("stop", "length"))]
        await reply.json({"choices": choices, "usage": USAGE})
        return
    await reply.begin_stream()
    for number, why in enumerate(("stop", "length")):
        chunk = chat_chunk("Hello")
        await reply.event(chunk)
        chunk["choices"][0] |= {"index": number, "finish_reason": why}
        await reply.event(chunk)
    await reply.end_stream()


@pytest.mark.local
@pytest.mark.parametrize(("stream", "number"), [(False, "01"), (True, "02")])
async def test_each_text_has_its_reason(collector: Collector, stream: bool, number: str) -> None:
    async with (
        upstream(two_texts) as engine,
        running_router([model("chat-a", engine.port)], features=traced(collector)) as router,
    ):
        headers = {"traceparent": f"00-{TRACE}{number}-b7ad6b7169203331-01"}
        answer = await router.post(CHAT, chat(stream=stream, n=2), headers=headers)
        assert answer.status_code == 200
        assert await router.metric("slipway_router_requests_total") == 1
    for span in collector.trace(f"{TRACE}{number}", 2):
        assert span.attributes[REASONS] == ["stop", "length"]


@pytest.mark.local
async def test_answers_that_tell_none_have_none(collector: Collector) -> None:
    async with (
        upstream() as engine,
        running_router([model("chat-a", engine.port)], features=traced(collector)) as router,
    ):
        headers = {"traceparent": f"00-{TRACE}03-b7ad6b7169203331-01"}
        await router.post("/v1/embeddings", {"model": "chat-a", "input": "Hi"}, headers=headers)
    assert not [span for span in collector.trace(f"{TRACE}03", 2) if REASONS in span.attributes]


@pytest.mark.local
async def test_streams_are_counted_once_all_the_same(collector: Collector, tmp_path: Path) -> None:
    features = traced(collector, ledger={"folder": str(tmp_path / "ledger")})
    async with upstream() as engine:
        models = [model("chat-a", engine.port)]
        async with running_router(models, features=features) as router:
            await router.post(CHAT, chat(stream=True))
        async with running_router(models, features=features) as router:
            totals = (await router.request("GET", "/v1/usage")).json()["totals"]
    assert (totals["requests"], totals["completion_tokens"]) == (1, USAGE["completion_tokens"])


def openai(why: Any) -> dict[str, Any]:
    return {"choices": [{"text": "x", "finish_reason": why, "stop_reason": "max_tokens"}], "usage": USAGE}


@pytest.mark.parametrize(
    ("operation", "answer", "reasons"),
    [
        (Operation.COMPLETIONS, openai("stop"), ["stop"]),
        (Operation.CHAT_COMPLETIONS, openai(None), []),
        (Operation.CHAT_COMPLETIONS, openai("what I asked"), []),
        (Operation.MESSAGES, {"stop_reason": "end_turn", "usage": USAGE}, ["end_turn"]),
        (Operation.MESSAGES, {"content": [{"input": {"stop_reason": "secret"}}], "usage": USAGE}, []),
    ],
)
def test_reasons_are_found_in_any_pieces(operation: Operation, answer: Any, reasons: list[str]) -> None:
    body = json.dumps(answer).encode()
    for size in (1, 7, len(body)):
        found = FinishReasons(UsageFinder(), operation)
        for start in range(0, len(body), size):
            found.feed(body[start : start + size])
        assert found.reasons == reasons
        assert found.usage is not None
        assert found.usage.completion_tokens == USAGE["completion_tokens"]


def test_what_is_kept_is_bounded() -> None:
    found = FinishReasons(UsageFinder(), Operation.COMPLETIONS)
    for _ in range(1000):
        found.feed(b'"finish_reason":"stop"')
    assert len(found.reasons) == 128
