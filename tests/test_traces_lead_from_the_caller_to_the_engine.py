"""One trace tells of a request's whole way: the caller's span, the router's two, the engine's."""

from pathlib import Path

import pytest

from slipway_router.app.options import Features, TelemetryOptions
from tests.fakes.upstream import upstream
from tests.otel_collector import Collector
from tests.routers import KEY, chat, model, running_router
from tests.runtimes import runtime as running_runtime

pytestmark = pytest.mark.local
CHAT = "/v1/chat/completions"
CALLER_SPAN = "b7ad6b7169203331"
SERVER, CLIENT, ERROR = 2, 3, 2


def traced(collector: Collector, **options: float) -> Features:
    return Features(telemetry=TelemetryOptions.model_validate({"otlp_endpoint": collector.endpoint} | options))


def caller(trace_id: str, flags: str = "01", state: str = "vendor=1,other=a:b") -> dict[str, str]:
    return {"traceparent": f"00-{trace_id}-{CALLER_SPAN}-{flags}", "tracestate": state}


async def test_from_the_callers_header_to_the_engines_span(collector: Collector, tmp_path: Path) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4701"
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
    with running_runtime(tmp_path, extra=environment, model_name="chat-a") as runtime:
        runtime.wait_for_phase("ready")
        served = model("chat-a", runtime.env.data_port)
        async with running_router([served], features=traced(collector)) as router:
            body = chat("chat-a", stream=True, stream_options={"include_usage": True})
            answer = await router.post(CHAT, body, headers=caller(trace_id))
            assert answer.status_code == 200, answer.text
        server, client, engine = collector.trace(trace_id, 3)
    assert (server.name, server.kind, server.service) == (f"POST {CHAT}", SERVER, "slipway-router")
    assert (client.name, client.kind, client.service) == ("chat chat-a", CLIENT, "slipway-router")
    assert (engine.name, engine.kind, engine.service) == (f"POST {CHAT}", SERVER, "slipway-runtime")
    assert (server.parent_id, client.parent_id, engine.parent_id) == (CALLER_SPAN, server.span_id, client.span_id)
    assert server.start <= client.start <= engine.start < engine.end
    assert {span.state for span in (server, client, engine)} == {"vendor=1,other=a:b"}
    assert engine.attributes["gen_ai.operation.name"] == "chat"
    assert engine.attributes["gen_ai.provider.name"] == "dummy"
    assert engine.attributes["http.response.status_code"] == 200


async def test_what_the_spans_of_a_request_say(collector: Collector) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4702"
    async with (
        upstream() as engine,
        running_router([model("chat-a", engine.port)], features=traced(collector)) as router,
    ):
        await router.post(CHAT, chat(stream=True), headers=caller(trace_id) | {"x-request-id": "r-1"})
    server, client = collector.trace(trace_id, 2)
    endpoint = f"127.0.0.1:{engine.port}"
    generation = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "chat-a",
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.stream": True,
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "slipway.model": "default/chat-a",
    }
    assert server.attributes == generation | {
        "http.request.method": "POST",
        "http.route": CHAT,
        "http.response.status_code": 200,
        "url.scheme": "http",
        "client.address": "127.0.0.1",
        "slipway.request_id": "r-1",
        "slipway.key": "default/all",
        "slipway.endpoint": endpoint,
        "slipway.attempts": 1,
        "slipway.held_seconds": 0.0,
    }
    waited = client.attributes.pop("gen_ai.response.time_to_first_chunk")
    assert 0 < waited <= (client.end - client.start) / 1e9
    assert client.attributes == generation | {
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "server.port": engine.port,
        "slipway.attempts": 1,
    }
    assert (server.status, client.status) == (0, 0)


async def test_refused_requests_have_a_span_without_an_engines(collector: Collector) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4703"
    async with running_router([model("chat-a")], features=traced(collector)) as router:
        await router.post(CHAT, chat("what I asked"), headers=caller(trace_id))
        await router.post(CHAT, chat(), key="sk-slipway-wrong", headers=caller(trace_id))
        await router.post(CHAT, chat(), headers=caller(trace_id))
    spans = collector.trace(trace_id, 3)
    said = [
        (span.attributes["http.response.status_code"], span.attributes["error.type"], span.status) for span in spans
    ]
    assert said == [(404, "model_not_found", 0), (401, "invalid_api_key", 0), (503, "model_unavailable", ERROR)]
    assert "slipway.key" not in spans[1].attributes
    assert not [text for text in ("what I asked", "sk-slipway", KEY) if text in collector.text]


async def test_an_engines_failure_is_an_error_of_both_spans(collector: Collector) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4704"
    async with running_router([model("chat-a", 1)], features=traced(collector)) as router:
        await router.post(CHAT, chat(), headers=caller(trace_id))
    server, client = collector.trace(trace_id, 2)
    assert (server.status, client.status) == (ERROR, ERROR)
    assert server.attributes["error.type"] == client.attributes["error.type"] == "engine_unreachable"


@pytest.mark.parametrize(
    "parent",
    [
        "garbage",
        f"00-{'0' * 32}-{CALLER_SPAN}-01",
        f"ff-{'1' * 32}-{CALLER_SPAN}-01",
        f"00-{'1' * 32}-{CALLER_SPAN}-01-x",
    ],
)
async def test_a_header_that_is_not_valid_begins_a_new_trace(collector: Collector, parent: str) -> None:
    async with (
        upstream() as engine,
        running_router([model("chat-a", engine.port)], features=traced(collector)) as router,
    ):
        await router.post(CHAT, chat(), headers={"traceparent": parent, "tracestate": "vendor=1"})
    sent = engine.requests[0].headers
    version, trace_id, span_id, flags = sent["traceparent"].split("-")
    assert (version, flags, "tracestate" in sent) == ("00", "01", False)
    assert trace_id not in parent
    server, client = collector.trace(trace_id, 2)
    assert (server.parent_id, client.span_id) == ("", span_id)


async def test_the_caller_decides_whether_its_trace_is_kept(collector: Collector) -> None:
    trace_id, kept = "4bf92f3577b34da6a3ce929d0e0e4705", "4bf92f3577b34da6a3ce929d0e0e4706"
    options = traced(collector, sample_ratio=0.0)
    async with upstream() as engine, running_router([model("chat-a", engine.port)], features=options) as router:
        await router.post(CHAT, chat(), headers=caller(trace_id, flags="00"))
        await router.post(CHAT, chat())
        await router.post(CHAT, chat(), headers=caller(kept))
    not_kept, new, _ = (request.headers["traceparent"].split("-") for request in engine.requests)
    assert (not_kept[1], not_kept[3], new[3]) == (trace_id, "00", "00")
    assert not_kept[2] != CALLER_SPAN
    assert len(collector.trace(kept, 2)) == 2
    assert not [span for span in collector.spans() if span.trace_id in (trace_id, new[1])]


async def test_without_a_collector_callers_headers_pass_as_they_are(collector: Collector) -> None:
    headers = caller("4bf92f3577b34da6a3ce929d0e0e4707")
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        await router.post(CHAT, chat(), headers=headers)
    sent = engine.requests[0].headers
    assert {name: sent[name] for name in headers} == headers
