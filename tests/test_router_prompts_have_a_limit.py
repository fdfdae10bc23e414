"""Prompts that are longer than their model takes are refused; pictures do not count, and each text of a batch does."""

import json
from typing import Any

import pytest

from slipway_crds.engines import EngineType, Task
from slipway_router.domain.api.routes import BY_PATH, below_model
from slipway_router.domain.errors import ErrorCode, RequestError
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.models.catalogue import Model, operations_of
from slipway_router.domain.requests.parameters import set_parameters
from slipway_router.domain.requests.parsing import parse_call
from slipway_router.domain.requests.policy import RequestPolicy

CHAT, TEXT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"
EMBEDDINGS, RERANK, CLASSIFY = "/v1/embeddings", "/v1/rerank", "/classify"
LIMIT = 100
FITS, LONG = "x" * 4 * LIMIT, "x" * (4 * LIMIT + 1)
PICTURE = "data:image/png;base64," + "A" * 10_000


def step(
    path: str, fields: Any, *, ascii_only: bool = False, engine: EngineType = EngineType.VLLM, **limits: Any
) -> None:
    policy = RequestPolicy(**{"max_prompt_tokens": LIMIT, **limits})
    tasks = frozenset(Task) - {Task.IMAGES}
    operations = operations_of(engine, tasks)
    route = BY_PATH.get(path.encode())
    if route is None:
        below = below_model(path.encode())
        assert below is not None
        route = below[0]
    body = json.dumps({"model": "m", **fields}, ensure_ascii=ascii_only).encode()
    exchange = Exchange(route, {}, "", "r", 0.0, body)
    parse_call(exchange)
    exchange.model = Model("m", ("m",), tasks, operations, requests=policy, engine=engine)
    set_parameters(exchange)


def said(content: Any, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content, **fields}]}


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        (CHAT, said(LONG), "messages"),
        (CHAT, said([{"type": "text", "text": LONG}]), "messages"),
        (CHAT, {"messages": [{"role": "user", "content": "x" * 300}] * 2}, "messages"),
        (CHAT, said("\u4e2d" * 140), "messages"),
        (CHAT, said("data:image/png;base64," + LONG), "messages"),
        (CHAT, said('"url":"data:' + LONG), "messages"),
        (CHAT, said(None, tool_calls=[{"function": {"name": "f", "arguments": LONG}}]), "messages"),
        (CHAT, said(7, hidden=LONG), "messages"),
        (MESSAGES, said("Hi") | {"system": LONG}, "messages"),
        (MESSAGES, said([{"type": "tool_result", "content": [{"type": "text", "text": LONG}]}]), "messages"),
        (RESPONSES, {"input": LONG}, "input"),
        (RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_text", "text": LONG}]}]}, "input"),
        (RESPONSES, {"input": "Hi", "instructions": LONG}, "input"),
        (TEXT, {"prompt": LONG}, "prompt"),
        (TEXT, {"prompt": ["Hi", LONG]}, "prompt"),
        (TEXT, {"prompt": [1] * (LIMIT + 1)}, "prompt"),
        (TEXT, {"prompt": [[1, 2], [1] * (LIMIT + 1)]}, "prompt"),
        (EMBEDDINGS, {"input": LONG}, "input"),
        (EMBEDDINGS, {"input": ["Hi", LONG]}, "input"),
        (EMBEDDINGS, {"input": [[1], [1] * (LIMIT + 1)]}, "input"),
        (RERANK, {"query": LONG, "documents": []}, "query"),
        (RERANK, {"query": "Hi", "documents": ["Hi", {"text": LONG}]}, "documents"),
        (CLASSIFY, {"input": LONG}, "input"),
        (EMBEDDINGS, {"messages": [{"role": "user", "content": "x" * 300}] * 2}, "messages"),
        ("/embed", {"inputs": ["Hi", LONG]}, "inputs"),
        ("/tei/m/embed", {"inputs": LONG}, "inputs"),
        ("/tei/m/similarity", {"inputs": {"source_sentence": "Hi", "sentences": [LONG]}}, "inputs"),
        ("/tei/m/rerank", {"query": "Hi", "texts": [LONG]}, "texts"),
    ],
)
def test_refused(path: str, fields: Any, param: str) -> None:
    with pytest.raises(RequestError, match=rf"'{param}' is about 1\d\d tokens long.*takes {LIMIT}") as caught:
        step(path, fields)
    assert (caught.value.problem.code, caught.value.problem.param) == (ErrorCode.CONTEXT_LENGTH_EXCEEDED, param)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (CHAT, said(FITS)),
        (CHAT, said([{"type": "image_url", "image_url": {"url": PICTURE}}, {"type": "text", "text": "What is it?"}])),
        (CHAT, said([{"type": "input_audio", "input_audio": {"data": "A" * 10_000}}])),
        (CHAT, said("\\" * 300)),
        (MESSAGES, said([{"type": "image", "source": {"type": "base64", "data": "A" * 10_000}}])),
        (RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": PICTURE}]}]}),
        (TEXT, {"prompt": [FITS, FITS, FITS]}),
        (TEXT, {"prompt": [1] * LIMIT}),
        (TEXT, {"prompt": [[1] * LIMIT] * 10}),
        (EMBEDDINGS, {"input": [FITS] * 50}),
        (EMBEDDINGS, {"input": [{"image": PICTURE}]}),
        (RERANK, {"query": FITS, "documents": [FITS] * 20}),
        (EMBEDDINGS, said([{"type": "input_audio", "input_audio": {"data": "A" * 10_000}}])),
    ],
)
def test_served(path: str, fields: Any) -> None:
    step(path, fields)


SHORTENED = [
    (EngineType.VLLM, EMBEDDINGS, "input", {"truncate_prompt_tokens": LIMIT}),
    (EngineType.VLLM, TEXT, "prompt", {"truncate_prompt_tokens": 1}),
    (EngineType.ONNX, EMBEDDINGS, "input", {"truncate": True}),
    (EngineType.ONNX, "/embed", "inputs", {"truncate": True}),
    (EngineType.TEI, "/tei/m/embed", "inputs", {"truncate": True}),
    (EngineType.VLLM, "/tokenize", "prompt", {}),
    (EngineType.LLAMACPP, "/tokenize", "content", {}),
    (EngineType.TEI, "/tei/m/tokenize", "inputs", {}),
]


@pytest.mark.parametrize(("engine", "path", "field", "others"), SHORTENED)
def test_texts_that_no_model_sees_whole_may_be_longer_but_not_without_bound(
    engine: EngineType, path: str, field: str, others: dict[str, Any]
) -> None:
    step(path, {field: FITS * 16, **others}, engine=engine)
    with pytest.raises(RequestError, match=rf"'{field}' is about 1\d\d\d tokens long.*takes {16 * LIMIT}") as caught:
        step(path, {field: FITS * 16 + "x", **others}, engine=engine)
    assert caught.value.problem.code == ErrorCode.CONTEXT_LENGTH_EXCEEDED


@pytest.mark.parametrize(
    ("engine", "path", "others"),
    [
        (EngineType.VLLM, EMBEDDINGS, {"truncate": True}),
        (EngineType.VLLM, EMBEDDINGS, {"truncate_prompt_tokens": LIMIT + 1}),
        (EngineType.VLLM, EMBEDDINGS, {"truncate_prompt_tokens": -1}),
        (EngineType.VLLM, EMBEDDINGS, {"truncate_prompt_tokens": True}),
        (EngineType.ONNX, EMBEDDINGS, {"truncate_prompt_tokens": 1}),
        (EngineType.ONNX, EMBEDDINGS, {"truncate": "END"}),
        (EngineType.LLAMACPP, TEXT, {"truncate": True}),
    ],
)
def test_what_an_engine_does_not_shorten_to_the_limit_is_refused(
    engine: EngineType, path: str, others: dict[str, Any]
) -> None:
    with pytest.raises(RequestError, match=f"takes {LIMIT}\\."):
        step(path, {"prompt" if path == TEXT else "input": LONG, **others}, engine=engine)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (CHAT, {"messages": [{"role": "user"}] * 100_001}),
        (EMBEDDINGS, {"input": [""] * 100_001}),
        (EMBEDDINGS, {"input": [[1]] * 100_001}),
    ],
)
def test_more_parts_than_one_can_look_at_are_refused(path: str, fields: Any) -> None:
    with pytest.raises(RequestError, match="tokens long"):
        step(path, fields)


@pytest.mark.parametrize(
    ("path", "fields"), [(CHAT, said(LONG + "\ud800")), ("/tei/m/embed", {"inputs": LONG + "\ud800"})]
)
def test_half_a_character_hides_nothing(path: str, fields: Any) -> None:
    with pytest.raises(RequestError, match="not valid JSON"):
        step(path, fields, ascii_only=True)


def test_a_model_can_have_a_smaller_body() -> None:
    step(CHAT, said("x" * 50), max_body_bytes=200)
    with pytest.raises(RequestError, match="larger than 200 bytes") as caught:
        step(CHAT, said("x" * 200), max_body_bytes=200)
    assert caught.value.problem.status == 413
