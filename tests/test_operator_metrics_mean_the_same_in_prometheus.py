"""What Prometheus answers to the PromQL of a metric is what the operator reads of the same pages itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from slipway_operator.domain.builders.scaled_object import total_query
from slipway_operator.domain.metrics_api.exposition import read_series
from slipway_operator.domain.metrics_api.table import METRICS, SOURCES
from tests.prometheus import check_rules

pytestmark = pytest.mark.local

STEP = 15.0
STEPS = 40
Growing = tuple[float, float]
"""At the start, and by how much it grows each step."""
PAGES: Mapping[str, Mapping[str, Growing]] = {
    "vllm": {
        'slipway_runtime_gpu_utilization_ratio{device="0"}': (0.75, 0),
        'slipway_runtime_gpu_utilization_ratio{device="1"}': (0.25, 0),
        'slipway_runtime_gpu_memory_used_bytes{device="0"}': (10, 0),
        'slipway_runtime_gpu_memory_used_bytes{device="1"}': (30, 0),
        'slipway_runtime_gpu_memory_total_bytes{device="0"}': (80, 0),
        'slipway_runtime_gpu_memory_total_bytes{device="1"}': (80, 0),
        "slipway_runtime_in_flight{}": (12, 0),
        'vllm:num_requests_waiting{engine="0"}': (3, 0),
        'vllm:num_requests_waiting{engine="1"}': (2, 0),
        'vllm:kv_cache_usage_perc{engine="0"}': (0.5, 0),
        'vllm:kv_cache_usage_perc{engine="1"}': (1.0, 0),
        'vllm:generation_tokens_total{engine="0"}': (1000, 1500),
        'vllm:generation_tokens_total{engine="1"}': (0, 3000),
        'vllm:request_queue_time_seconds_sum{engine="0"}': (5, 60),
        'vllm:request_queue_time_seconds_count{engine="0"}': (10, 30),
    },
    # It has two queues, and nobody asks it anything.
    "onnx": {
        "slipway_runtime_in_flight{}": (0, 0),
        "te_queue_size{}": (4, 0),
        "slipway_engine_requests_waiting{}": (1, 0),
        "te_request_queue_duration_sum{}": (7, 0),
        "te_request_queue_duration_count{}": (7, 0),
        "te_batch_next_tokens_sum{}": (70, 0),
    },
    "llamacpp": {
        "slipway_runtime_in_flight{}": (6, 0),
        "llamacpp:requests_deferred{}": (2, 0),
        "llamacpp:tokens_predicted_total{}": (0, 750),
    },
}
MATCHERS = 'namespace="default",slipway_dev_model="chat"'


def page(pod: str, step: int) -> str:
    return "".join(f"{name} {start + growth * step}\n" for name, (start, growth) in PAGES[pod].items())


def read(pod: str) -> dict[str, float]:
    """By metric, what the operator reads of a pod."""
    history = [(STEP * step, read_series(page(pod, step), SOURCES)) for step in range(STEPS)]
    return {metric.name: value for metric in METRICS if (value := metric.read(history)) is not None}


def series() -> list[dict[str, str]]:
    """The pages of all pods as Prometheus keeps them, beside a pod of another model and one that is gone."""
    found = []
    for pod, model in [*((pod, "chat") for pod in PAGES), ("other", "other"), ("gone", "chat")]:
        labels = f'namespace="default",pod="{pod}",slipway_dev_model="{model}"'
        lines = {**PAGES.get(pod, PAGES["llamacpp"]), "up{}": (1.0, 0.0)}
        for line, (start, growth) in lines.items():
            values = f"{start}+{growth}x{STEPS}" if pod != "gone" else f"{start}x{STEPS - 4} stale"
            name, _, own = line.partition("{")
            found.append({"series": f"{name}{{{labels},{own}".replace(",}", "}"), "values": values})
    return found


def test_by_pod_and_for_the_whole_model(tmp_path: Path) -> None:
    told = {pod: read(pod) for pod in PAGES}
    assert {name for values in told.values() for name in values} == {metric.name for metric in METRICS}
    cases: list[dict[str, Any]] = []
    for metric in METRICS:
        values = {pod: values[metric.name] for pod, values in told.items() if metric.name in values}
        samples = [{"labels": f'{{pod="{pod}"}}', "value": value} for pod, value in values.items()]
        only_living = f'{MATCHERS},pod=~"{"|".join(PAGES)}"'
        at = f"{int(STEP) * STEPS}s"
        cases.append({"expr": metric.measure.promql(only_living, "pod"), "eval_time": at, "exp_samples": samples})
        total = [{"labels": "{}", "value": sum(values.values())}]
        query = total_query(metric.type, "default", "chat")
        cases.append({"expr": query, "eval_time": at, "exp_samples": total})
    check_rules(tmp_path, {"interval": f"{STEP:g}s", "input_series": series(), "promql_expr_test": cases})
