"""The manifests of ModelDeployments, whole: each input beside the children that come out of it."""

from pathlib import Path

import pytest
import yaml

from slipway_operator.domain.resources import MODEL_CHILDREN
from tests.fakes.cluster import FakeCluster
from tests.golden import GOLDEN, Golden
from tests.operators import NAMESPACE, Operator

INPUTS = sorted((GOLDEN / "operator").glob("*.input.yaml"))
SERVER_FIELDS = ("uid", "resourceVersion", "managedFields", "namespace", "ownerReferences")


def test_there_are_inputs() -> None:
    assert len(INPUTS) >= 5


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.name.removesuffix(".input.yaml"))
def test_children(path: Path, golden: Golden) -> None:
    manifest = yaml.safe_load(path.read_text())
    manifest["metadata"]["namespace"] = NAMESPACE
    cluster = FakeCluster()
    cluster.put(manifest)
    Operator(cluster).settle(manifest["metadata"]["name"])
    children = [body for resource in MODEL_CHILDREN for body in cluster.of_kind(resource).values()]
    for child in children:
        owners = child["metadata"]["ownerReferences"]
        assert [(o["kind"], o["controller"], o["blockOwnerDeletion"]) for o in owners] == [
            ("ModelDeployment", True, True)
        ]
        assert child["metadata"]["annotations"].pop("slipway.dev/applied-hash")
        child["metadata"] = {k: v for k, v in child["metadata"].items() if k not in SERVER_FIELDS and v}
    golden.check(f"operator/{path.name.removesuffix('.input.yaml')}.children.yaml", children)
