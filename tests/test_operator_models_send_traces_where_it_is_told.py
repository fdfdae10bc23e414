"""The installation names one collector for the traces of all models; a model's own word goes before it."""

from typing import Any

import pytest

from slipway_operator.domain.resources import DEPLOYMENT
from tests.fakes.cluster import FakeCluster
from tests.operators import Operator, model

ENDPOINT = "http://collector.monitoring.svc:4318"
NAME = "OTEL_EXPORTER_OTLP_ENDPOINT"


def settled(endpoint: str, engine: dict[str, Any]) -> list[str]:
    """The values of the variable in a model's container."""
    cluster = FakeCluster()
    cluster.put(model(engine=engine, model={"source": "hf://org/repo"}))
    Operator(cluster, otlp_endpoint=endpoint).settle("m")
    (container,) = cluster.of_kind(DEPLOYMENT)["m"]["spec"]["template"]["spec"]["containers"]
    return [variable["value"] for variable in container["env"] if variable["name"] == NAME]


@pytest.mark.parametrize(
    ("endpoint", "engine", "values"),
    [
        (ENDPOINT, {"type": "vllm"}, [ENDPOINT]),
        (ENDPOINT, {"type": "onnx", "env": [{"name": NAME, "value": "http://mine:4318"}]}, ["http://mine:4318"]),
        (ENDPOINT, {"type": "tei"}, []),
        ("", {"type": "onnx"}, []),
    ],
)
def test_the_collector_of_a_model(endpoint: str, engine: dict[str, Any], values: list[str]) -> None:
    assert settled(endpoint, engine) == values
