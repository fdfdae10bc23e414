"""A model that holds every GPU of its nodes is rolled out all the same: the old replica makes room for the new one."""

from typing import Any

import pytest

from tests.eventually import eventually
from tests.installation import Installation, model

pytestmark = pytest.mark.cluster


def test_the_only_replica_makes_room(installation: Installation) -> None:
    node = installation.kubectl.get("nodes")["items"][0]
    gpus = int(node["status"]["allocatable"]["nvidia.com/gpu"])
    place = {"kubernetes.io/hostname": node["metadata"]["labels"]["kubernetes.io/hostname"]}
    spec: dict[str, Any] = {"resources": {"gpu": {"count": gpus}}, "template": {"nodeSelector": place}}
    installation.apply(model("all", **spec))
    installation.wait_ready("mdep/all")
    installation.apply(model("all", **spec, lifecycle={"drainTimeout": "10s"}))
    eventually(
        "the condition says how it goes on",
        lambda: installation.condition("all", "Progressing")["reason"],
        lambda reason: reason == "ReplacingInPlace",
        within=10,
    )
    eventually(
        "the new one serves",
        lambda: installation.condition("all", "Progressing")["reason"],
        lambda reason: reason == "UpToDate",
        within=60,
    )
    deployment = installation.get("deployment", "all")
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert deployment["status"]["updatedReplicas"] == 1
