"""Models that may have several replicas have a budget of one to lose; it never keeps an only replica on its node."""

from typing import Any

import pytest

from slipway_operator.domain.resources import PDB
from tests.fakes.cluster import FakeCluster
from tests.operators import Operator, model

SCALING = {"metrics": [{"type": "inFlight", "target": 4}]}


@pytest.mark.parametrize(
    ("spec", "budget"),
    [
        ({}, False),
        ({"replicas": 2}, True),
        ({"autoscaling": {"minReplicas": 1, "maxReplicas": 3, **SCALING}}, True),
        ({"autoscaling": {"minReplicas": 1, "maxReplicas": 1, **SCALING}}, False),
        ({"replicas": 2, "lifecycle": {"suspend": True}}, False),
    ],
)
def test_the_budget_of_a_model(spec: dict[str, Any], budget: bool) -> None:
    cluster = FakeCluster()
    cluster.put(model(**spec))
    Operator(cluster).settle("m")
    budgets = [body["spec"]["maxUnavailable"] for body in cluster.of_kind(PDB).values()]
    assert budgets == ([1] if budget else [])
