"""vLLM makes its own spans, as part of the trace that a request belongs to."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests import engines_environment
from tests.otel_collector import Collector
from tests.runtimes import CHAT_MODEL, RuntimeProcess, runtime
from tests.vllm_runtimes import LOAD_SECONDS, SMALL

pytestmark = pytest.mark.engines

TRACE, PARENT = "bbf92f3577b34da6a3ce929d0e0e4701", "00f067aa0ba902b7"


@pytest.fixture
def process(collector: Collector, tmp_path: Path) -> Iterator[RuntimeProcess]:
    with runtime(
        tmp_path,
        extra={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint},
        python=engines_environment.python(),
        engine="vllm",
        engine_args=SMALL,
        model_source=CHAT_MODEL,
        model_name="chat",
    ) as process:
        process.wait_for_phase("ready", LOAD_SECONDS)
        yield process


def test_a_chat(collector: Collector, process: RuntimeProcess) -> None:
    body = {"model": "chat", "messages": [{"role": "user", "content": "secret-words"}], "max_tokens": 4}
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    answer = httpx2.post(f"{process.data_url}/v1/chat/completions", json=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    spans = collector.trace(TRACE, 1)
    assert [(span.name, span.parent_id, span.service) for span in spans] == [("llm_request", PARENT, "slipway-runtime")]
    assert spans[0].attributes["gen_ai.usage.completion_tokens"] == 4
    assert "secret-words" not in collector.text
