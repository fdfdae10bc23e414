"""Engines continue the trace of a request when the environment names a collector, and make no spans when not."""

from pathlib import Path

import httpx2
import pytest

from slipway_crds.engines import EngineType
from tests.otel_collector import Collector, Span
from tests.runtimes import RuntimeProcess, runtime

pytestmark = pytest.mark.local

PARENT = "00f067aa0ba902b7"
SERVER, ERROR = 2, 2


def ask(process: RuntimeProcess, trace_id: str, path: str, content: object) -> int:
    headers = {"traceparent": f"00-{trace_id}-{PARENT}-01"}
    return httpx2.post(f"{process.data_url}{path}", json=content, headers=headers, timeout=20).status_code


def environment(collector: Collector, **more: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, **more}


def only_span(collector: Collector, trace_id: str) -> Span:
    (span,) = collector.trace(trace_id, 1)
    assert (span.parent_id, span.kind) == (PARENT, SERVER)
    return span


def test_an_onnx_model(collector: Collector, tmp_path: Path) -> None:
    trace_id = "aaf92f3577b34da6a3ce929d0e0e4701"
    extra = environment(collector, OTEL_SERVICE_NAME="embedder")
    with runtime(
        tmp_path, extra=extra, engine=EngineType.ONNX, model_source="demo://embed", model_name="embed"
    ) as process:
        process.wait_for_phase("ready", 60)
        assert ask(process, trace_id, "/v1/embeddings", {"model": "embed", "input": "secret-words"}) == 200
        span = only_span(collector, trace_id)
    assert (span.name, span.service) == ("POST /v1/embeddings", "embedder")
    assert span.attributes == {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "onnx",
        "gen_ai.request.model": "embed",
        "http.request.method": "POST",
        "http.route": "/v1/embeddings",
        "http.response.status_code": 200,
    }
    assert "secret-words" not in collector.text


def test_failures_and_what_is_no_inference(collector: Collector, tmp_path: Path) -> None:
    failed, refused, listed = (f"aaf92f3577b34da6a3ce929d0e0e471{number}" for number in range(3))
    chat = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    with runtime(tmp_path, extra=environment(collector)) as process:
        process.wait_for_phase("ready")
        assert ask(process, listed, "/v1/models", {}) == 405
        assert ask(process, failed, "/v1/chat/completions", {**chat, "dummy": {"fail_status": 503}}) == 503
        assert ask(process, refused, "/v1/chat/completions", {}) == 400
        spans = only_span(collector, failed), only_span(collector, refused)
    assert [span.status for span in spans] == [ERROR, 0]
    assert spans[0].attributes["error.type"] == "503"
    assert not [span for span in collector.spans() if span.trace_id == listed]


def test_a_runtime_that_ends_sends_its_last_spans(collector: Collector, tmp_path: Path) -> None:
    trace_id = "aaf92f3577b34da6a3ce929d0e0e4721"
    with runtime(tmp_path, extra=environment(collector)) as process:
        process.wait_for_phase("ready")
        assert ask(process, trace_id, "/v1/completions", {"model": "m", "prompt": "Hi"}) == 200
        process.process.terminate()
        assert process.wait_for_exit() == 0
    assert only_span(collector, trace_id).attributes["gen_ai.operation.name"] == "text_completion"


def test_a_collector_that_is_away_changes_nothing(tmp_path: Path) -> None:
    with runtime(tmp_path, extra={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}) as process:
        process.wait_for_phase("ready")
        with process.openai() as client:
            answers = [client.completions.create(model="m", prompt="Hi") for _ in range(20)]
        process.process.terminate()
        assert process.wait_for_exit() == 0
        assert "opentelemetry" not in process.log
    assert len(answers) == 20
