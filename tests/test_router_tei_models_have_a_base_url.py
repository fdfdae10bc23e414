"""text-embeddings-inference's API names no model: each has a base URL, ``/tei/MODEL``, with TEI's errors."""

from typing import Any

import httpx2
import pytest

from slipway_crds.engines import EngineType, Task
from slipway_router.domain.api.routes import below_model
from tests.fakes.upstream import Received, Reply, upstream
from tests.routers import CHAT_KEY, KEY, chat, model, running_router

TASKS = frozenset({Task.EMBEDDINGS, Task.RERANK, Task.CLASSIFY})

# path, model, path at the engine
PATHS = [
    (b"/tei/a/embed", "a", "/embed"),
    (b"/tei/org/a/embed", "org/a", "/embed"),
    (b"/tei/org%2Fa/embed", "org/a", "/embed"),
    (b"/tei/a/v1/embeddings", "a", "/v1/embeddings"),
    (b"/tei/embed/embed", "embed", "/embed"),
    (b"/tei/a/info/predict", "a/info", "/predict"),
    (b"/tei/a:b/info", "a:b", "/info"),
]


@pytest.mark.parametrize(("path", "name", "at_engine"), PATHS)
def test_the_model_stands_before_the_operation(path: bytes, name: str, at_engine: str) -> None:
    found = below_model(path)
    assert found is not None
    assert (found[1], found[0].path) == (name, at_engine)


@pytest.mark.parametrize(
    "path", [b"/tei/embed", b"/tei//embed", b"/tei/a/metrics", b"/tei/a/", b"/teia/embed", b"/embed"]
)
def test_everything_else_is_no_such_path(path: bytes) -> None:
    assert below_model(path) is None


def tei(name: str, *ports: int, **fields: Any) -> Any:
    return model(name, *ports, engine=EngineType.ONNX, tasks=TASKS, **fields)


async def tells_path(received: Received, reply: Reply) -> None:
    await reply.json({"path": received.line.split()[1]})


@pytest.mark.local
@pytest.mark.parametrize(
    "path", ["embed", "embed_all", "embed_sparse", "rerank", "predict", "similarity", "tokenize", "decode"]
)
async def test_operations_reach_the_model(path: str) -> None:
    async with upstream(tells_path) as engine, running_router([tei("org/a", engine.port), tei("b")]) as router:
        answer = await router.post(f"/tei/org/a/{path}", {"inputs": "x"})
        counted = await router.metric("slipway_router_requests_total", model="org/a", route=f"/tei/{path}")
    assert (answer.status_code, answer.json()) == (200, {"path": f"/{path}"})
    assert counted == 1
    assert KEY not in str(engine.requests[0].headers)


@pytest.mark.local
async def test_info_is_forwarded() -> None:
    async with upstream(tells_path) as engine, running_router([tei("a", engine.port)]) as router:
        answer = await router.request("GET", "/tei/a/info")
        wrong = await router.post("/tei/a/info", {})
    assert answer.json() == {"path": "/info"}
    assert engine.requests[0].line == "GET /info HTTP/1.1"
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")


@pytest.mark.local
async def test_health_is_told_without_waking_the_model() -> None:
    models = [tei("up", 1), tei("asleep", wakeable=True, phase="asleep"), tei("down", reason="WeightsNotFound")]
    async with running_router(models) as router:
        answers = {name: await router.request("GET", f"/tei/{name}/health") for name in ("up", "asleep", "down", "no")}
        locked = await router.request("GET", "/tei/up/health", key=None)
    assert {name: answer.status_code for name, answer in answers.items()} == {
        "up": 200, "asleep": 200, "down": 503, "no": 404,
    }  # fmt: skip
    assert answers["down"].json()["error_type"] == "Unhealthy"
    assert locked.status_code == 401


# key, path, models, status, error type, words in the message
REFUSALS = [
    (None, "/tei/a/embed", 401, "Validation", "No API key"),
    (CHAT_KEY, "/tei/a/embed", 403, "Validation", "does not open"),
    (KEY, "/tei/nobody/embed", 404, "Validation", "does not exist"),
    (KEY, "/tei/chat-a/embed", 404, "Validation", "does not answer /tei/chat-a/embed. It does chat"),
    (KEY, "/tei/down/embed", 503, "Unhealthy", "not ready"),
    (KEY, "/tei/a/nothing", 404, "Validation", "There is no POST"),
    (KEY, "/tei/dead/embed", 502, "Backend", "No replica"),
]


@pytest.mark.local
@pytest.mark.parametrize(("key", "path", "status", "kind", "words"), REFUSALS)
async def test_errors_are_teis(key: str | None, path: str, status: int, kind: str, words: str) -> None:
    models = [tei("a", 1), tei("dead", 1), tei("down"), model("chat-a", 1, tasks=frozenset({Task.CHAT}))]
    async with running_router(models) as router:
        answer = await router.post(path, {"inputs": "x"}, key)
    assert_tei_error(answer, status, kind, words)


def assert_tei_error(answer: httpx2.Response, status: int, kind: str, words: str) -> None:
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error", "error_type"}
    assert answer.json()["error_type"] == kind
    assert words in answer.json()["error"]


@pytest.mark.local
@pytest.mark.parametrize(
    ("status", "body", "shown", "kind", "words"),
    [
        ("413 Too Large", {"error": "batch size 99 > 32", "error_type": "Validation"}, 413, "Validation", "99 > 32"),
        ("422 Wrong", {"detail": "no inputs"}, 422, "Validation", "no inputs"),
        ("429 Busy", {"error": "Model is overloaded", "error_type": "Overloaded"}, 429, "Overloaded", "busy"),
        ("500 No", {"error": "CUDA secret", "error_type": "Backend"}, 502, "Backend", "failed"),
    ],
)
async def test_an_engines_errors_stay_teis(status: str, body: Any, shown: int, kind: str, words: str) -> None:
    async def refuses(received: Received, reply: Reply) -> None:
        await reply.json(body, status)

    async with upstream(refuses) as engine, running_router([tei("a", engine.port)]) as router:
        answer = await router.post("/tei/a/embed", {"inputs": "x"})
    assert_tei_error(answer, shown, kind, words)


@pytest.mark.local
@pytest.mark.parametrize("path", ["/embed", "/predict", "/rerank", "/tokenize"])
async def test_without_a_base_url_the_only_model_is_meant(path: str) -> None:
    async with upstream(tells_path) as engine:
        models = [tei("a", engine.port, served_names=("a", "alias")), model("chat-a", 1, tasks=frozenset({Task.CHAT}))]
        async with running_router(models) as router:
            answer = await router.post(path, {"inputs": "x"})
            chatting = await router.post(path, {"inputs": "x"}, CHAT_KEY)
    assert answer.json() == {"path": path}
    assert_tei_error(chatting, 404, "Validation", "No model of your key")


@pytest.mark.local
async def test_without_a_base_url_several_models_are_a_question() -> None:
    async with running_router([tei("a", 1), tei("b", 1)]) as router:
        answer = await router.post("/embed", {"inputs": "x"})
    assert_tei_error(answer, 400, "Validation", "a, b. Use /tei/MODEL as the base URL")


@pytest.mark.local
async def test_an_openai_client_may_use_the_base_url_too() -> None:
    async with upstream() as engine, running_router([tei("a", engine.port)]) as router:
        answer = await router.post("/tei/a/v1/embeddings", {"input": "x", "model": "whatever"})
        chatting = await router.post("/tei/a/v1/chat/completions", chat())
    assert answer.json()["data"][0]["embedding"] == [0.5, -0.25]
    assert chatting.status_code == 404
