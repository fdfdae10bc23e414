"""Each path of the inference APIs reaches models that answer it; others say what they answer instead."""

import json
from typing import Any

import pytest

from slipway_crds.engines import ENGINES, EngineType, Operation, Task
from slipway_router.domain.api.routes import ROUTES, paths_of
from slipway_router.domain.models.catalogue import operations_of
from tests.fakes.upstream import Received, Reply, upstream
from tests.routers import model, running_router

VLLM, LLAMACPP, ONNX, DIFFUSERS, DUMMY = (
    EngineType.VLLM, EngineType.LLAMACPP, EngineType.ONNX, EngineType.DIFFUSERS, EngineType.DUMMY,
)  # fmt: skip

# engine, task, path at the router, path at the engine
ANSWERED = [
    (VLLM, Task.CHAT, "/v1/chat/completions", "/v1/chat/completions"),
    (VLLM, Task.CHAT, "/v1/responses", "/v1/responses"),
    (VLLM, Task.CHAT, "/v1/messages", "/v1/messages"),
    (VLLM, Task.COMPLETIONS, "/v1/completions", "/v1/completions"),
    (VLLM, Task.EMBEDDINGS, "/v1/embeddings", "/v1/embeddings"),
    (VLLM, Task.EMBEDDINGS, "/pooling", "/pooling"),
    (VLLM, Task.CLASSIFY, "/classify", "/classify"),
    (VLLM, Task.RERANK, "/v1/rerank", "/v1/rerank"),
    (VLLM, Task.RERANK, "/rerank", "/v1/rerank"),
    (VLLM, Task.CHAT, "/tokenize", "/tokenize"),
    (VLLM, Task.CHAT, "/v1/detokenize", "/detokenize"),
    (VLLM, Task.TRANSCRIPTIONS, "/v1/audio/transcriptions", "/v1/audio/transcriptions"),
    (VLLM, Task.TRANSCRIPTIONS, "/v1/audio/translations", "/v1/audio/translations"),
    (DIFFUSERS, Task.IMAGES, "/v1/images/generations", "/v1/images/generations"),
    (DIFFUSERS, Task.IMAGES, "/v1/images/edits", "/v1/images/edits"),
    (ONNX, Task.RERANK, "/v1/rerank", "/v1/rerank"),
]

# engine, task, path, something that the message must tell
REFUSED = [
    (VLLM, Task.EMBEDDINGS, "/v1/chat/completions", "/v1/embeddings"),
    (VLLM, Task.CHAT, "/v1/images/generations", "/v1/chat/completions"),
    (VLLM, Task.CHAT, "/v1/audio/transcriptions", "/v1/responses"),
    (DIFFUSERS, Task.IMAGES, "/v1/chat/completions", "It does images, at /v1/images/generations"),
    (LLAMACPP, Task.EMBEDDINGS, "/pooling", "It does embeddings, at /v1/embeddings"),
    (DUMMY, Task.CHAT, "/v1/responses", "It does chat, at /v1/chat/completions"),
    (ONNX, Task.RERANK, "/v1/embeddings", "/tei/a/rerank"),
]


async def nothing(received: Received, reply: Reply) -> None:
    await reply.json({})


@pytest.mark.local
@pytest.mark.parametrize(("engine", "task", "path", "at_engine"), ANSWERED)
async def test_answered(engine: EngineType, task: Task, path: str, at_engine: str) -> None:
    async with upstream(nothing) as there:
        able = model("a", there.port, engine=engine, tasks=frozenset({task}))
        async with running_router([able]) as router:
            answer = await router.post(path, {"model": "a"})
    assert answer.status_code == 200, answer.text
    assert there.requests[0].line == f"POST {at_engine} HTTP/1.1"


@pytest.mark.local
@pytest.mark.parametrize(("engine", "task", "path", "told"), REFUSED)
async def test_refused(engine: EngineType, task: Task, path: str, told: str) -> None:
    async with running_router([model("a", 1, engine=engine, tasks=frozenset({task}))]) as router:
        answer = await router.post(path, {"model": "a"})
    error: dict[str, Any] = json.loads(answer.content)["error"]
    assert (answer.status_code, error["code"], error["param"]) == (404, "unsupported_task", "model")
    assert told in error["message"]


def test_every_operation_has_a_path() -> None:
    assert {operation for operation in Operation if not paths_of({operation})} == set()


def test_a_path_belongs_to_one_route() -> None:
    paths = [path for route in ROUTES for path in (route.path, *route.aliases)]
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize("engine", [engine for engine in EngineType if ENGINES[engine].in_pod])
def test_a_model_answers_something_for_each_of_its_tasks(engine: EngineType) -> None:
    assert all(operations_of(engine, [task]) for task in ENGINES[engine].tasks)


@pytest.mark.local
@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
async def test_stored_responses_are_said_not_to_exist(method: str) -> None:
    async with running_router() as router:
        answer = await router.request(method, "/v1/responses/resp_1")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_path")
    assert "not stored" in answer.json()["error"]["message"]
