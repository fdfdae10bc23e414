"""A real prometheus-adapter serves every metric under its stable name, by the chart's rules from a real Prometheus."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from slipway_operator.domain.drift import parse_quantity
from slipway_operator.domain.metrics_api.table import BY_NAME
from tests.chart import Helm, of_kind
from tests.cluster.apiserver import ApiServer
from tests.cluster.paths import Paths
from tests.eventually import eventually
from tests.fakes.loopback_http import QuietHandler, serving
from tests.metrics_apis import make_pod
from tests.prometheus import prometheus
from tests.prometheus_adapter import prometheus_adapter

pytestmark = pytest.mark.apiserver

PODS = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/{}/pods/*/{}?labelSelector=slipway.dev%2Fmodel%3Dchat"
EXPECTED = {
    "slipway_gpu_utilization_percent": 50,
    "slipway_gpu_memory_percent": 25,
    "slipway_in_flight_requests": 12,
    "slipway_queue_length": 5,
    "slipway_queue_wait_seconds": 2,
    "slipway_engine_cache_percent": 75,
}
"""Beside a rate, which is not steady before Prometheus has looked for two minutes."""


class Page(QuietHandler):
    """What the runtime of a vLLM pod tells; its counters grow with every look."""

    looks = 0

    def do_GET(self) -> None:  # noqa: N802 - named by the base class
        """One look."""
        looks = type(self).looks = type(self).looks + 1
        text = f"""\
slipway_runtime_gpu_utilization_ratio{{device="0"}} 0.75
slipway_runtime_gpu_utilization_ratio{{device="1"}} 0.25
slipway_runtime_gpu_memory_used_bytes{{device="0"}} 20
slipway_runtime_gpu_memory_total_bytes{{device="0"}} 80
slipway_runtime_in_flight 12
vllm:num_requests_waiting{{engine="0"}} 3
vllm:num_requests_waiting{{engine="1"}} 2
vllm:kv_cache_usage_perc{{engine="0"}} 0.75
vllm:generation_tokens_total {looks * 100}
vllm:request_queue_time_seconds_sum {looks * 2}
vllm:request_queue_time_seconds_count {looks}
"""
        self.answer(200, text.encode(), {"Content-Type": "text/plain; version=0.0.4"})


def ask(server: ApiServer, namespace: str) -> Mapping[str, Decimal | None]:
    """By metric, what an autoscaler that follows the pods of ``chat`` is told of the one there is."""
    found = {}
    for name in BY_NAME:
        (item,) = json.loads(server.kubectl("get", "--raw", PODS.format(namespace, name)))["items"]
        assert item["describedObject"]["name"] == "chat-0"
        found[name] = parse_quantity(item["value"])
    return found


def test_every_metric_is_served(
    apiserver: ApiServer, apiserver_namespace: str, helm: Helm, cluster_paths: Paths, tmp_path: Path
) -> None:
    maps = of_kind(helm.render("metrics.mode=prometheus-adapter"), "ConfigMap")
    rules = tmp_path / "rules.yaml"
    rules.write_text(maps["slipway-prometheus-adapter-rules"]["data"]["config.yaml"])
    make_pod(apiserver, apiserver_namespace, "chat-0", "chat", "127.0.9.1")
    labels = {"namespace": apiserver_namespace, "pod": "chat-0", "slipway_dev_model": "chat"}
    with (
        serving(Page) as url,
        prometheus(tmp_path, {"models": int(url.rpartition(":")[2])}, labels) as scraping,
        prometheus_adapter(apiserver, apiserver_namespace, cluster_paths, tmp_path, rules, scraping.port),
    ):
        told = eventually(
            "all are told", lambda: ask(apiserver, apiserver_namespace), lambda seen: all(seen.values()), within=60
        )
    assert {name: value for name, value in told.items() if name in EXPECTED} == EXPECTED
    assert told.keys() - EXPECTED.keys() == {"slipway_tokens_per_second"}
