"""What a caller left out comes from the model's defaults, what is too much is lowered to its limits."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_crds.model_deployment import ModelDeployment
from slipway_router.domain.api.routes import BY_PATH
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.models.catalogue import Endpoint
from slipway_router.domain.models.cluster_view import model_of
from slipway_router.domain.requests.editing import in_json
from slipway_router.domain.requests.parameters import set_parameters
from slipway_router.domain.requests.parsing import parse_call
from tests.fakes.upstream import upstream
from tests.routers import running_router

CHAT, TEXT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"


def deployment(engine: str = "vllm", args: list[str] | None = None, **spec: Any) -> ModelDeployment:
    source = "https://api.example.com/v1" if engine == "external" else "hf://org/repo"
    engine_spec = {"type": engine} | ({"args": args} if args else {})
    return ModelDeployment.model_validate(
        {
            "apiVersion": "slipway.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": "m"},
            "spec": {"model": {"source": source}, "engine": engine_spec, **spec},
        }
    )


def step(model: ModelDeployment, path: str, body: bytes) -> Exchange:
    exchange = Exchange(BY_PATH[path.encode()], {}, "", "r", 0.0, body)
    parse_call(exchange)
    exchange.model = model_of(model, ())
    set_parameters(exchange)
    return exchange


def edited(model: ModelDeployment, path: str, **fields: Any) -> dict[str, Any]:
    """The fields that the engine gets in place of the caller's, or in addition to them."""
    return {name: json.loads(value) for name, value in step(model, path, body_of(fields)).edits.items()}


def body_of(fields: dict[str, Any]) -> bytes:
    return json.dumps({"model": "m", **fields}).encode()


@pytest.mark.parametrize(
    ("model", "path", "sent", "set_"),
    [
        # Nobody says anything: the limit of the router.
        (deployment(), CHAT, {}, {"max_tokens": 2048}),
        (deployment(), TEXT, {}, {"max_tokens": 2048}),
        (deployment(), RESPONSES, {}, {"max_output_tokens": 2048}),
        (deployment(), MESSAGES, {}, {"max_tokens": 2048}),
        (deployment(), CHAT, {"max_tokens": None}, {"max_tokens": 2048}),
        (deployment("llamacpp"), CHAT, {}, {"max_tokens": 2048}),
        # vLLM refuses what does not fit, instead of ending there.
        (deployment(args=["--max-model-len=256"]), CHAT, {}, {"max_tokens": 256}),
        (deployment(args=["--max-model-len", "256"]), CHAT, {"max_tokens": 300}, {"max_tokens": 256}),
        (deployment(args=["--max-model-len=16k"]), CHAT, {}, {"max_tokens": 2048}),
        # Providers' answers are theirs to bound, unless the model says otherwise.
        (deployment("external"), CHAT, {}, {}),
        (deployment("external"), CHAT, {"max_completion_tokens": 9000}, {"max_completion_tokens": 2048}),
        (deployment("external", limits={"maxTokens": 100}), CHAT, {}, {"max_tokens": 100}),
        (deployment("external", defaults={"maxTokens": 100}), CHAT, {}, {"max_tokens": 100}),
        (deployment("dummy"), CHAT, {}, {}),
        # Limits.
        (deployment(), CHAT, {"max_tokens": 2048}, {}),
        (deployment(), CHAT, {"max_tokens": 2049}, {"max_tokens": 2048}),
        (deployment(), CHAT, {"max_tokens": 10**30}, {"max_tokens": 2048}),
        (deployment(), CHAT, {"max_completion_tokens": 9000}, {"max_completion_tokens": 2048}),
        (deployment(), CHAT, {"max_completion_tokens": 9000, "max_tokens": 5}, {"max_completion_tokens": 2048}),
        (deployment(limits={"maxTokens": 10}), MESSAGES, {"max_tokens": 11}, {"max_tokens": 10}),
        (deployment(limits={"maxTokens": 10}), RESPONSES, {"max_output_tokens": 11}, {"max_output_tokens": 10}),
        (deployment("llamacpp"), TEXT, {"max_tokens": 5, "n_predict": -1}, {"n_predict": 2048}),
        (deployment("llamacpp"), TEXT, {"max_tokens": 5, "n_predict": 4096}, {"n_predict": 2048}),
        (deployment("llamacpp"), TEXT, {"max_tokens": 5, "n_predict": 7}, {}),
        # Defaults.
        (deployment(defaults={"maxTokens": 100}), CHAT, {}, {"max_tokens": 100}),
        (deployment(defaults={"maxTokens": 100}), CHAT, {"max_tokens": 1000}, {}),
        (deployment(defaults={"maxTokens": 4096}), CHAT, {"max_tokens": 9999}, {"max_tokens": 4096}),
        (
            deployment(defaults={"temperature": 0.5, "topP": 0.9, "topK": 40}),
            CHAT,
            {"max_tokens": 1, "top_p": 1.0, "top_k": None},
            {"temperature": 0.5, "top_k": 40},
        ),
        # The penalty for repetitions has two names.
        (deployment(), CHAT, {"max_tokens": 1, "repeat_penalty": 1.1}, {"repetition_penalty": 1.1}),
        (deployment("llamacpp"), CHAT, {"max_tokens": 1, "repetition_penalty": 1.5}, {"repeat_penalty": 1.5}),
        (deployment("llamacpp"), CHAT, {"max_tokens": 1, "repetition_penalty": 1.5, "repeat_penalty": 1.1}, {}),
        (deployment("external"), CHAT, {"max_tokens": 1, "repeat_penalty": 1.1}, {}),
        # Operations that write no text.
        (deployment(tasks=["embeddings"], defaults={"temperature": 0}), "/v1/embeddings", {"input": "x"}, {}),
        (deployment(tasks=["rerank"]), "/v1/rerank", {"query": "x", "documents": []}, {}),
        (deployment("diffusers"), "/v1/images/generations", {"prompt": "x", "n": 4}, {}),
    ],
)
def test_what_engines_get(model: ModelDeployment, path: str, sent: dict[str, Any], set_: dict[str, Any]) -> None:
    assert edited(model, path, **sent) == set_


SYSTEM = {"role": "system", "content": 'Be "brief".'}
USER = {"role": "user", "content": "Hi"}


@pytest.mark.parametrize(
    ("path", "sent", "set_"),
    [
        (CHAT, {"messages": [USER]}, {"messages": [SYSTEM, USER]}),
        (CHAT, {"messages": []}, {"messages": [SYSTEM]}),
        (CHAT, {"messages": [{"role": "system", "content": "x"}, USER]}, {}),
        (CHAT, {"messages": [USER, {"role": "developer", "content": "x"}]}, {}),
        (CHAT, {"messages": "no list"}, {}),
        (CHAT, {}, {}),
        (MESSAGES, {"messages": [USER]}, {"system": SYSTEM["content"]}),
        (MESSAGES, {"messages": [USER], "system": None}, {"system": SYSTEM["content"]}),
        (MESSAGES, {"messages": [USER], "system": "x"}, {}),
        (RESPONSES, {"input": "Hi"}, {"instructions": SYSTEM["content"]}),
        (RESPONSES, {"input": [SYSTEM, USER]}, {}),
        (RESPONSES, {"input": "Hi", "instructions": "x"}, {}),
        (TEXT, {"prompt": "Hi"}, {}),
    ],
)
def test_conversations_without_a_system_prompt_get_the_models(
    path: str, sent: dict[str, Any], set_: dict[str, Any]
) -> None:
    model = deployment("external", defaults={"systemPrompt": SYSTEM["content"]})
    assert edited(model, path, **sent) == set_


def test_steps_behind_know_how_long_the_answer_may_become() -> None:
    assert step(deployment(), CHAT, body_of({})).max_tokens == 2048
    assert step(deployment(), CHAT, body_of({"max_tokens": 7})).max_tokens == 7
    assert step(deployment(), CHAT, body_of({"max_completion_tokens": 9000})).max_tokens == 2048
    assert step(deployment("external"), CHAT, body_of({})).max_tokens == 0
    assert step(deployment(), "/v1/embeddings", body_of({"input": "x"})).max_tokens == 0


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "max_tokens": st.none() | st.integers(1, 10**6),
    "max_completion_tokens": st.none() | st.integers(1, 10**6),
    "temperature": st.none() | st.floats(0, 2),
    "top_p": st.floats(0, 1),
    "top_k": st.none() | st.integers(-1, 1000),
    "n": st.integers(1, 128),
    "seed": st.integers(-(2**63), 2**63 - 1),
    "stop": st.text() | st.lists(st.text(), max_size=16),
    "repetition_penalty": st.floats(0, 2, exclude_min=True),
    "messages": st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "system"]), "content": st.text()})),
    "unknown": st.recursive(
        st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["max_tokens", "x"]), inner),
    ),
}
FULL = deployment(
    "llamacpp",
    defaults={"maxTokens": 50, "temperature": 0.5, "topK": 3, "systemPrompt": "Be brief."},
    limits={"maxTokens": 100},
)


@given(st.fixed_dictionaries({}, optional=VALUES), st.booleans(), st.booleans())
def test_nothing_else_changes(sent: dict[str, Any], ascii_only: bool, escaped: bool) -> None:
    body = json.dumps({"model": "m", **sent}, ensure_ascii=ascii_only).encode()
    if escaped:
        body = body.replace(b'"max_tokens"', b'"max\\u005ftokens"')
    exchange = step(FULL, CHAT, body)
    got = json.loads(b"".join(in_json(body, exchange.edits, absent=exchange.edits_absent)))
    changed = {name: value for name, value in got.items() if name not in sent or sent[name] != value}
    changed.pop("model")
    assert changed == {name: json.loads(value) for name, value in exchange.edits.items()}
    assert 1 <= max(got.get("max_tokens") or 0, got.get("max_completion_tokens") or 0) <= 100
    assert got["temperature"] is not None
    assert got["top_k"] is not None


async def test_an_engine_gets_what_the_model_says() -> None:
    spec = deployment(limits={"maxTokens": 20}, defaults={"temperature": 0.25, "systemPrompt": "Be brief."})
    async with upstream() as engine, running_router([model_of(spec, (Endpoint("127.0.0.1", engine.port),))]) as router:
        chat = {"model": "m", "messages": [USER], "max_tokens": 1000, "x": {"max_tokens": 1}}
        assert (await router.post(CHAT, chat)).status_code == 200
        system = {"role": "system", "content": "Be brief."}
        assert engine.requests[-1].json == {
            **chat,
            "messages": [system, USER],
            "max_tokens": 20,
            "temperature": 0.25,
        }
        answer = await router.post(CHAT, {**chat, "temperature": 3})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "temperature")
        assert len(engine.requests) == 1
