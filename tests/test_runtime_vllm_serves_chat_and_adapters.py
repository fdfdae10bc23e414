"""The vLLM engine: text in every API that it speaks, LoRA adapters by name, its load in numbers, its part of traces."""

import json
import signal
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.eventually import eventually
from tests.otel_collector import Collector
from tests.routers import eventually_async, model, running_router
from tests.runtimes import CHAT_MODEL, RuntimeProcess, runtime
from tests.vllm_runtimes import processes_below, running

pytestmark = pytest.mark.engines
QUESTIONS = tomllib.loads((Path(__file__).parent / "data" / "demo_chat_questions.toml").read_text())["question"]
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is Slipway?"}]
BEGINNING = "Slipway serves models on Kubernetes."
TRACE, PARENT = "bbf92f3577b34da6a3ce929d0e0e4701", "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def process(vllm_chat: RuntimeProcess) -> RuntimeProcess:
    return vllm_chat


@pytest.fixture(scope="module")
def client(process: RuntimeProcess) -> Iterator[openai.OpenAI]:
    with process.openai() as client:
        yield client


def ask(client: openai.OpenAI, model: str, question: str) -> str:
    answer = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": question}], temperature=0, max_tokens=150
    )
    return answer.choices[0].message.content or ""


def post(process: RuntimeProcess, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = httpx2.post(f"{process.data_url}{path}", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def running_requests(process: RuntimeProcess) -> float:
    lines = httpx2.get(f"{process.data_url}/metrics", timeout=10).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:num_requests_running{"))


def test_it_says_what_it_is(process: RuntimeProcess) -> None:
    state = process.state()
    assert state is not None
    assert (state["engine"], state["device"], state["deviceFallback"]) == ("vllm", "cpu", None)


def test_answers_are_those_of_llamacpp(client: openai.OpenAI, tmp_path: Path) -> None:
    with runtime(tmp_path, engine="llamacpp", model_source=CHAT_MODEL) as other:
        other.wait_for_phase("ready")
        with other.openai() as theirs:
            expected = {question["text"]: ask(theirs, "m", question["text"]) for question in QUESTIONS}
    assert {text: ask(client, "chat", text) for text in expected} == expected
    assert all(question["key_word"] in expected[question["text"]] for question in QUESTIONS)


def test_chat_streams_and_counts(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="chat-alias", messages=HELLO, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices).startswith(BEGINNING)
    assert len(chunks) > 10
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 10


def test_every_chunk_counts_if_asked(process: RuntimeProcess) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    body = {"model": "chat", "messages": HELLO, "max_tokens": 8, "stream": True, "stream_options": options}
    text = httpx2.post(f"{process.data_url}/v1/chat/completions", json=body, timeout=60).text
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    counted = [chunk["usage"]["completion_tokens"] for chunk in chunks]
    assert counted == sorted(counted)
    assert (counted[0], counted[-1]) == (0, 8)
    assert len({chunk["usage"]["prompt_tokens"] for chunk in chunks}) == 1


async def test_the_router_counts_a_stream_that_a_caller_leaves(process: RuntimeProcess) -> None:
    async with running_router([model("chat", process.env.data_port)]) as router:
        body = {"model": "chat", "messages": HELLO, "stream": True, "max_tokens": 2000, "ignore_eos": True}
        async with router.streaming(body) as (_, lines):
            seen = [await anext(lines) for _ in range(6)]
        (line,) = await eventually_async("the end of the request", router.log_lines, bool, within=30)
        totals = (await router.request("GET", "/v1/usage")).json()["totals"]
    assert '"usage"' not in "".join(seen)
    assert line["aborted_by"] == "client"
    assert totals["prompt_tokens"] == line["prompt_tokens"] > 5
    assert 5 <= totals["completion_tokens"] == line["completion_tokens"] < 2000


def test_completions_answer(client: openai.OpenAI) -> None:
    usage = client.completions.create(model="chat", prompt="Slipway", max_tokens=3).usage
    assert usage is not None
    assert usage.completion_tokens == 3


def test_responses_answer(client: openai.OpenAI) -> None:
    answer = client.responses.create(model="chat", input="What is Slipway?", temperature=0, max_output_tokens=100)
    assert answer.output_text.startswith(BEGINNING)


def test_messages_answer(process: RuntimeProcess) -> None:
    body = {"model": "chat", "max_tokens": 100, "temperature": 0, "messages": HELLO}
    answer = post(process, "/v1/messages", body)
    assert answer["type"] == "message"
    assert answer["content"][0]["text"].startswith(BEGINNING)


def test_text_becomes_tokens_and_text_again(process: RuntimeProcess) -> None:
    tokens = post(process, "/tokenize", {"model": "chat", "prompt": "Slipway serves models"})["tokens"]
    assert len(tokens) > 1
    text = post(process, "/detokenize", {"model": "chat", "tokens": tokens})["prompt"]
    assert text == "Slipway serves models"


def test_adapters_are_models_of_their_own(client: openai.OpenAI) -> None:
    plain, pirate, brief = (ask(client, name, "What is Slipway?") for name in ("chat", "pirate", "brief"))
    assert plain.startswith(BEGINNING)
    assert pirate.startswith("Ahoy! Slipway ")
    assert pirate.endswith(" Arr!")
    assert brief == BEGINNING
    assert {"chat", "chat-alias", "pirate", "brief"} == {model.id for model in client.models.list()}


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        ask(client, "nobody", "Hello")


def test_metrics_are_vllms_and_the_runtimes(process: RuntimeProcess) -> None:
    answer = process.control("/metrics")
    assert answer is not None
    assert "vllm:generation_tokens_total" in answer.text
    assert 'slipway_runtime_phase{phase="ready"} 1.0' in answer.text


def test_its_span_is_part_of_the_trace_that_a_request_belongs_to(collector: Collector, process: RuntimeProcess) -> None:
    body = {"model": "chat", "messages": [{"role": "user", "content": "secret-words"}], "max_tokens": 4}
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    answer = httpx2.post(f"{process.data_url}/v1/chat/completions", json=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    spans = collector.trace(TRACE, 1)
    assert [(span.name, span.parent_id, span.service) for span in spans] == [("llm_request", PARENT, "slipway-runtime")]
    assert spans[0].attributes["gen_ai.usage.completion_tokens"] == 4
    assert "secret-words" not in collector.text


def test_a_hang_up_ends_the_work(process: RuntimeProcess) -> None:
    endless = {"model": "chat", "prompt": "Slipway", "max_tokens": 2000, "stream": True, "ignore_eos": True}
    with httpx2.stream("POST", f"{process.data_url}/v1/completions", json=endless, timeout=60) as answer:
        pieces = answer.iter_raw()
        assert next(pieces)
        state = process.state()
        assert state is not None
        assert state["inFlight"] == 1
    eventually("no request runs", lambda: running_requests(process), lambda count: count == 0, within=1, every=0.05)


def test_nothing_survives_a_supervisor_that_is_killed(process: RuntimeProcess) -> None:
    # The last test of this file: the process that all of them share ends here.
    engine = processes_below(process.process.pid)
    assert len(engine) >= 3  # the server, the engine's core, its worker
    process.signal(signal.SIGKILL)
    process.wait_for_exit()
    eventually("vLLM's processes are gone", lambda: running(engine), lambda left: not left, within=10)
