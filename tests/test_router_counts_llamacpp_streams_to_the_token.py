"""Streams of a real llama.cpp are counted as it counts them, whole or broken off, and look as if nobody did."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slipway_crds.engines import EngineType
from tests.routers import RouterUnderTest, model, running_router
from tests.runtimes import CHAT_MODEL, RuntimeProcess, runtime

pytestmark = pytest.mark.local
ACCOUNT_SECONDS = 20
"""For the end of a request to come into the account."""
ASK = [{"role": "user", "content": "What is Slipway?"}]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    folder: Path = tmp_path_factory.mktemp("llamacpp")
    with runtime(folder, engine="llamacpp", model_source=CHAT_MODEL, served_names=("chat",)) as process:
        process.wait_for_phase("ready")
        yield process


def chat(tokens: int, **fields: Any) -> dict[str, Any]:
    return {"model": "chat", "messages": ASK, "max_tokens": tokens, "stream": True, **fields}


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]


async def used(router: RouterUnderTest) -> tuple[int, int]:
    totals = (await router.request("GET", "/v1/usage")).json()["totals"]
    return totals["prompt_tokens"], totals["completion_tokens"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
async def test_whole_streams(engine: RuntimeProcess, path: str) -> None:
    ask = chat(6) if "chat" in path else {"model": "chat", "prompt": "Slipway", "max_tokens": 6, "stream": True}
    served = model("chat", engine.env.data_port, engine=EngineType.LLAMACPP)
    async with running_router([served]) as router:
        quiet = events((await router.post(path, ask)).text)
        counted = await used(router)
        told = events((await router.post(path, {**ask, "stream_options": {"include_usage": True}})).text)
        twice = await used(router)
    usage = told[-1]["usage"]
    assert counted == (usage["prompt_tokens"], usage["completion_tokens"])
    assert twice == (2 * counted[0], 2 * counted[1])
    assert [name for event in quiet for name in ("usage", "timings") if name in event] == []
    assert all(event["choices"] for event in quiet)
    assert [name for event in told[:-1] for name in ("usage", "timings") if name in event] == []


async def test_a_stream_whose_caller_leaves(engine: RuntimeProcess) -> None:
    served = model("chat", engine.env.data_port, engine=EngineType.LLAMACPP)
    async with running_router([served]) as router:
        whole = events((await router.post("/v1/chat/completions", chat(400, timings_per_token=True))).text)
        before = await used(router)
        async with router.streaming(chat(400, ignore_eos=True)) as (_, lines):
            for _ in range(5):
                await anext(lines)
        after = before
        async with asyncio.timeout(ACCOUNT_SECONDS):
            while after == before:
                after = await used(router)
    timings = whole[-1].get("timings") or whole[-2]["timings"]
    assert after[0] - before[0] == timings["cache_n"] + timings["prompt_n"]
    assert 4 <= after[1] - before[1] <= 400
