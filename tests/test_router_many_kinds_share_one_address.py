"""Real engines of several kinds behind one router: each answers by its name, and what it cannot do is said."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import pytest

from slipway_crds.engines import ENGINES, EngineType, Operation, Task
from tests.routers import RouterUnderTest, chat, model, running_router
from tests.runtimes import START_SECONDS, RuntimeProcess, runtime

pytestmark = pytest.mark.local

TASKS = {
    EngineType.LLAMACPP: (Task.CHAT, Task.COMPLETIONS),
    EngineType.ONNX: (Task.EMBEDDINGS,),
    EngineType.DUMMY: (Task.CHAT, Task.COMPLETIONS, Task.EMBEDDINGS),
}
SOURCES = {
    EngineType.LLAMACPP: "demo://chat",
    EngineType.ONNX: "demo://embed",
    EngineType.DUMMY: "demo://dummy",
}
"""Models are served under the names of their engines."""


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[EngineType, RuntimeProcess]]:
    with ExitStack() as stack:
        started = {}
        for engine, tasks in TASKS.items():
            facts: dict[str, Any] = {"engine": engine, "model_source": SOURCES[engine], "tasks": tasks}
            folder = tmp_path_factory.mktemp(str(engine))
            started[engine] = stack.enter_context(runtime(folder, served_names=(str(engine),), **facts))
        for process in started.values():
            process.wait_for_phase("ready", len(TASKS) * START_SECONDS)
        yield started


@asynccontextmanager
async def router(engines: dict[EngineType, RuntimeProcess]) -> AsyncIterator[RouterUnderTest]:
    models = [
        model(str(engine), process.env.data_port, engine=engine, tasks=frozenset(TASKS[engine]))
        for engine, process in engines.items()
    ]
    async with running_router(models) as serving:
        yield serving


async def test_each_answers_by_name(engines: dict[EngineType, RuntimeProcess]) -> None:
    async with router(engines) as served:
        client = served.openai()
        said, counted = await asyncio.gather(
            client.chat.completions.create(**chat("llamacpp", max_tokens=8)),
            client.chat.completions.create(**chat("dummy", max_tokens=3)),
        )
        vectors = await client.embeddings.create(model="onnx", input=["a", "b"])
    assert said.choices[0].message.content
    assert said.model == "llamacpp"
    assert counted.choices[0].message.content == "tok0 tok1 tok2"
    assert len(vectors.data) == 2


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("onnx", "/v1/chat/completions"),
        ("llamacpp", "/v1/embeddings"),
        ("llamacpp", "/v1/images/generations"),
        ("dummy", "/v1/rerank"),
    ],
)
async def test_the_wrong_task_is_said(engines: dict[EngineType, RuntimeProcess], name: str, path: str) -> None:
    async with router(engines) as served:
        answer = await served.post(path, chat(name))
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unsupported_task")


USER = [{"role": "user", "content": "Hi"}]
# operation, path, fields of the request, field of the answer
CALLS: list[tuple[Operation, str, dict[str, Any], str]] = [
    (Operation.CHAT_COMPLETIONS, "/v1/chat/completions", {"messages": USER, "max_tokens": 4}, "choices"),
    (Operation.COMPLETIONS, "/v1/completions", {"prompt": "Hi", "max_tokens": 4}, "choices"),
    (Operation.RESPONSES, "/v1/responses", {"input": "Hi", "max_output_tokens": 4}, "output"),
    (Operation.MESSAGES, "/v1/messages", {"messages": USER, "max_tokens": 4}, "content"),
    (Operation.TOKENIZE, "/tokenize", {"content": "Hi"}, "tokens"),
    (Operation.DETOKENIZE, "/detokenize", {"tokens": [1, 2]}, "content"),
]


@pytest.mark.parametrize(("operation", "path", "fields", "field"), CALLS)
async def test_llamacpp_answers_every_operation_that_it_is_said_to_have(
    engines: dict[EngineType, RuntimeProcess], operation: Operation, path: str, fields: dict[str, Any], field: str
) -> None:
    async with router(engines) as served:
        answer = await served.post(path, {"model": "llamacpp", **fields})
    assert operation in ENGINES[EngineType.LLAMACPP].operations
    assert answer.status_code == 200, answer.text
    assert field in answer.json()
