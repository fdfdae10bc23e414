"""What keeps a model from serving is in `kubectl get mdep` within 15 s of Kubernetes knowing it."""

import json

import pytest

from tests.eventually import eventually
from tests.installation import ROUTER_SERVICE, SYSTEM_NAMESPACE, Installation, model

pytestmark = pytest.mark.cluster

MISSING_WEIGHTS = f"http://{ROUTER_SERVICE}.{SYSTEM_NAMESPACE}/no-such-weights.gguf"
TOO_LITTLE_MEMORY = {"limits": {"memory": "24Mi"}, "requests": {"memory": "24Mi"}}


@pytest.mark.parametrize(
    ("name", "spec", "reason", "known_by", "words"),
    [
        (
            "no-image",
            {"engine": {"type": "dummy", "image": "localhost/nothing:none"}},
            "ImagePullBackOff",
            "ErrImagePull",
            "localhost/nothing:none",
        ),
        (
            "no-gpu",
            {"resources": {"gpu": {"count": 64}}},
            "Unschedulable",
            "Unschedulable",
            "Insufficient nvidia.com/gpu",
        ),
        (
            "no-weights",
            {"engine": {"type": "llamacpp"}, "model": {"source": MISSING_WEIGHTS}},
            "WeightsNotFound",
            "WeightsNotFound",
            "404",
        ),
        ("no-memory", {"resources": TOO_LITTLE_MEMORY}, "OOMKilled", "OOMKilled", "24Mi"),
    ],
)
def test_the_cause_is_shown(
    installation: Installation, name: str, spec: dict[str, object], reason: str, known_by: str, words: str
) -> None:
    installation.apply(model(name, **spec))
    eventually(
        "Kubernetes knows",
        lambda: json.dumps(installation.get("pods", "-l", f"slipway.dev/model={name}")),
        lambda pods: known_by in pods,
        within=60,
    )
    eventually("REASON", lambda: installation.reason(name), lambda seen: seen == reason, within=15)
    assert words in installation.condition(name)["message"]
