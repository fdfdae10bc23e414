"""What a ModelDeployment says about kept answers reaches the router; a model that may answer otherwise has none yet."""

from typing import Any

import pytest

from slipway_crds.model_deployment import ModelDeployment
from slipway_router.domain.requests.policy import CachePolicy, request_policy_of


def policy(uid: str = "1", replicas: int = 1, args: tuple[str, ...] = (), **spec: Any) -> CachePolicy | None:
    fields = {"responseCache": {}, "model": {"source": "hf://org/repo"}, "replicas": replicas} | spec
    fields.setdefault("engine", {"type": "vllm", "args": list(args)})
    metadata = {"name": "m", "uid": uid, "resourceVersion": "7"}
    content = {"apiVersion": "slipway.dev/v1alpha1", "kind": "ModelDeployment", "metadata": metadata, "spec": fields}
    return request_policy_of(ModelDeployment.model_validate(content)).cache


def identity(**fields: Any) -> str:
    kept = policy(**fields)
    assert kept is not None
    return kept.identity


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({}, (3600, False, None)),
        ({"ttl": "90s", "scope": "Shared", "maxEntries": 5}, (90, True, 5)),
        ({"enabled": True}, (3600, False, None)),
    ],
)
def test_how_answers_are_kept(spec: dict[str, Any], wanted: tuple[float, bool, int | None]) -> None:
    kept = policy(responseCache=spec)
    assert kept is not None
    assert (kept.ttl, kept.shared, kept.max_entries) == wanted


def test_off_unless_asked_for() -> None:
    assert policy(responseCache=None) is None
    assert policy(responseCache={"enabled": False}) is None


def test_identity() -> None:
    assert identity() == identity() == identity(replicas=3)
    others = [
        identity(),
        identity(uid="2"),
        identity(args=("--seed=1",)),
        identity(model={"source": "hf://org/repo@v2"}),
        identity(engine={"type": "llamacpp"}),
        identity(adapters=[{"name": "sql", "source": "hf://org/sql"}]),
    ]
    assert len(set(others)) == len(others)
