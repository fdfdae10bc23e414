"""Each metric of the metrics API from what engines really write, as values of a pod over time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_operator.domain.metrics_api.exposition import Series, read_series
from slipway_operator.domain.metrics_api.table import BY_NAME, METRICS, SOURCES
from slipway_runtime.adapters.concurrency import BoundedConcurrency, Concurrency
from slipway_runtime.adapters.metrics import runtime_metrics
from slipway_runtime.domain.gpus import Gpu
from slipway_runtime.domain.phases import Phase
from slipway_runtime.domain.state import StateReport

VLLM = """\
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="chat"} 3.0
vllm:num_requests_waiting{engine="1",model_name="chat"} 2.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="chat",reason="capacity"} 9.0
vllm:kv_cache_usage_perc{engine="0",model_name="a \\"}b\\""} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="chat"} 0.75
vllm:generation_tokens_total{engine="0",model_name="chat"} %s
vllm:request_queue_time_seconds_bucket{engine="0",le="0.3",model_name="chat"} 1.0
vllm:request_queue_time_seconds_count{engine="0",model_name="chat"} %s
vllm:request_queue_time_seconds_sum{engine="0",model_name="chat"} %s
"""
LLAMACPP = """\
# TYPE llamacpp:tokens_predicted_total counter
llamacpp:tokens_predicted_total %s
# TYPE llamacpp:requests_deferred gauge
llamacpp:requests_deferred 4
"""
TEI = """\
te_queue_size 7
te_batch_next_tokens_sum %s
te_request_queue_duration_sum %s
te_request_queue_duration_count %s
"""
GPU = Gpu("0", "GPU-1", "H100", mig=False, memory_used=20, memory_total=80, utilization=0.9)
IDLE_GPU = Gpu("1", "GPU-2", "H100", mig=False, memory_used=0, memory_total=80, utilization=0.1)
MIG = Gpu("0:0", "MIG-1", "H100", mig=True, memory_used=5, memory_total=10)


def value(metric: str, *texts: str, seconds: float = 5.0) -> float | None:
    """The value after answers that came so many seconds one after the other."""
    history = [(seconds * place, read_series(text, SOURCES)) for place, text in enumerate(texts)]
    return BY_NAME[f"slipway_{metric}"].read(history)


def runtime(*gpus: Gpu, in_flight: int = 0) -> str:
    """What a runtime writes."""
    report = StateReport(
        phase=Phase.READY,
        engine="vllm",
        model="chat",
        device="cuda",
        device_fallback=None,
        phase_seconds={},
        bytes_fetched=0,
        bytes_total=None,
        in_flight=in_flight,
        error=None,
    )
    return runtime_metrics(report, gpus)


def test_gpus_are_told_in_percent() -> None:
    text = runtime(GPU, IDLE_GPU)
    assert value("gpu_utilization_percent", text) == pytest.approx(50)
    assert value("gpu_memory_percent", text) == pytest.approx(12.5)


def test_mig_devices_tell_their_memory_only() -> None:
    assert value("gpu_utilization_percent", runtime(MIG)) is None
    assert value("gpu_memory_percent", runtime(MIG)) == pytest.approx(50)


def test_gauges_are_means_over_the_answers() -> None:
    answers = [runtime(in_flight=count) for count in (0, 4, 8)]
    assert value("in_flight_requests", *answers) == pytest.approx(4)


def test_vllm_tells_everything_of_its_queue_and_cache() -> None:
    answers = VLLM % (100, 10, 2), VLLM % (150, 14, 4)
    assert value("queue_length", *answers) == 5
    assert value("engine_cache_percent", *answers) == pytest.approx(50)
    assert value("tokens_per_second", *answers) == pytest.approx(10)
    assert value("queue_wait_seconds", *answers) == pytest.approx(0.5)
    assert value("engine_cache_percent", 'vllm:gpu_cache_usage_perc{model_name="old"} 0.4') == pytest.approx(40)


def test_llamacpp_tells_its_queue_and_tokens() -> None:
    assert value("queue_length", LLAMACPP % 0) == 4
    assert value("tokens_per_second", LLAMACPP % 10, LLAMACPP % 60) == pytest.approx(10)
    assert value("queue_wait_seconds", LLAMACPP % 10, LLAMACPP % 60) is None


def test_embedding_engines_tell_queue_wait_and_tokens() -> None:
    answers = TEI % (0, 0, 0), TEI % (50, 3, 6)
    assert value("queue_length", *answers) == 7
    assert value("tokens_per_second", *answers) == pytest.approx(10)
    assert value("queue_wait_seconds", *answers) == pytest.approx(0.5)


def test_what_waits_before_and_in_the_engine_waits() -> None:
    before = BoundedConcurrency(_never_asked, Concurrency.of(1)).metrics()
    assert value("queue_length", before) == 0
    assert value("queue_length", before.replace("waiting 0.0", "waiting 2.0") + TEI % (0, 0, 0)) == 9


def test_a_rate_needs_two_answers_and_nothing_waited_is_zero() -> None:
    assert value("tokens_per_second", VLLM % (100, 10, 2)) is None
    assert value("queue_wait_seconds", VLLM % (100, 10, 2)) is None
    assert value("queue_wait_seconds", VLLM % (100, 10, 2), VLLM % (100, 10, 2)) == 0


def test_an_engine_that_starts_again_counts_from_zero() -> None:
    answers = [LLAMACPP % total for total in (1000, 1050, 20)]
    assert value("tokens_per_second", *answers) == pytest.approx((50 + 20) / 10)


@pytest.mark.parametrize(
    "text", ["", "te_queue_size", "te_queue_size NaN", 'te_queue_size{a="b} 1', "te_queue_size +Inf"]
)
def test_what_is_no_finite_number_is_not_told(text: str) -> None:
    assert value("queue_length", text) is None


def test_a_line_may_have_a_time() -> None:
    assert read_series("te_queue_size 4 1700000000000", SOURCES) == {"te_queue_size": Series(4.0, 1)}


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    read_series("te_queue_size" + text, SOURCES)


def test_names_are_stable() -> None:
    assert [metric.name for metric in METRICS] == [
        "slipway_gpu_utilization_percent",
        "slipway_gpu_memory_percent",
        "slipway_in_flight_requests",
        "slipway_queue_length",
        "slipway_queue_wait_seconds",
        "slipway_tokens_per_second",
        "slipway_engine_cache_percent",
    ]


async def _never_asked(*_: object) -> None:
    raise AssertionError
