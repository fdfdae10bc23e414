"""A child deleted by hand is there again within two seconds, with a new uid."""

import time

import pytest

from tests.eventually import eventually
from tests.installation import Installation, model

pytestmark = pytest.mark.cluster

FIXED = {"replicas": 2, "cache": {"size": "10Mi", "accessModes": ["ReadWriteOnce"]}}
SCALED = {"autoscaling": {"maxReplicas": 3}}


def wait_for_children(installation: Installation, name: str, count: int) -> None:
    eventually(f"children of {name}", lambda: installation.children(name), lambda seen: len(seen) == count, within=15)


@pytest.fixture(scope="module")
def applied(module_installation: Installation) -> Installation:
    module_installation.apply(model("fixed", **FIXED))
    module_installation.apply(model("scaled", **SCALED))
    wait_for_children(module_installation, "fixed", 5)
    wait_for_children(module_installation, "scaled", 5)
    return module_installation


@pytest.mark.parametrize(
    ("name", "child"),
    [
        ("fixed", "deployment/fixed"),
        ("fixed", "service/fixed"),
        ("fixed", "serviceaccount/fixed"),
        ("fixed", "poddisruptionbudget/fixed"),
        ("scaled", "horizontalpodautoscaler/scaled"),
        ("scaled", "poddisruptionbudget/scaled"),
    ],
)
def test_a_deleted_child_is_back(applied: Installation, name: str, child: str) -> None:
    uid = applied.children(name)[child]
    applied.kubectl("delete", child, "-n", applied.namespace, "--wait=false")
    deleted = time.monotonic()
    eventually(
        f"a new {child}", lambda: applied.children(name).get(child), lambda seen: seen not in (None, uid), within=10
    )
    assert time.monotonic() - deleted < 2
