"""From ModelDeployments, EndpointSlices and APIKeys to models, replicas and keys."""

from typing import Any

import pytest

from slipway_crds.api_key import APIKey
from slipway_crds.keys import hash_key
from slipway_crds.model_deployment import ModelDeployment
from slipway_router.domain.api.listing import entry
from slipway_router.domain.models.catalogue import Catalogue, Endpoint
from slipway_router.domain.models.cluster_view import catalogue_of, endpoints_of, key_ring_of, model_of
from tests.routers import model

HTTP = [{"name": "control", "port": 8081}, {"name": "http", "port": 8000}]


def deployment(
    name: str = "chat-a", *, spec: dict[str, Any] | None = None, metadata: Any = None, status: Any = None
) -> ModelDeployment:
    base = {"model": {"source": "demo://chat"}, "engine": {"type": "dummy"}}
    known = {"name": name, "namespace": "team", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return ModelDeployment.model_validate(
        {
            "apiVersion": "slipway.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": known | (metadata or {}),
            "spec": base | (spec or {}),
            "status": status or {},
        }
    )


def ready_condition(status: str, reason: str) -> dict[str, Any]:
    moment = "2026-01-01T00:00:00Z"
    return {"conditions": [{"type": "Ready", "status": status, "reason": reason, "lastTransitionTime": moment}]}


def endpoint(address: str, **conditions: bool) -> dict[str, Any]:
    return {"addresses": [address], "conditions": conditions}


def piece(*endpoints: dict[str, Any], ports: Any = HTTP, kind: str = "IPv4") -> dict[str, Any]:
    return {"addressType": kind, "ports": ports, "endpoints": list(endpoints)}


SLICES: list[tuple[str, list[dict[str, Any]], list[str]]] = [
    ("no slices", [], []),
    ("ready", [piece(endpoint("10.0.0.1", ready=True))], ["10.0.0.1"]),
    ("not said means ready", [piece(endpoint("10.0.0.1"))], ["10.0.0.1"]),
    ("not ready", [piece(endpoint("10.0.0.1", ready=False))], []),
    (
        "terminating ones only if there is no other",
        [piece(endpoint("10.0.0.1", ready=False, serving=True, terminating=True), endpoint("10.0.0.2", ready=True))],
        ["10.0.0.2"],
    ),
    (
        "better a terminating one than none",
        [piece(endpoint("10.0.0.1", ready=False, serving=True, terminating=True))],
        ["10.0.0.1"],
    ),
    ("terminating and not serving", [piece(endpoint("10.0.0.1", ready=False, serving=False, terminating=True))], []),
    ("several slices", [piece(endpoint("10.0.0.2")), piece(endpoint("10.0.0.1"))], ["10.0.0.1", "10.0.0.2"]),
    ("the same one twice", [piece(endpoint("10.0.0.1")), piece(endpoint("10.0.0.1"))], ["10.0.0.1"]),
    ("no data port", [piece(endpoint("10.0.0.1"), ports=[{"name": "control", "port": 8081}])], []),
    ("ports not known yet", [piece(endpoint("10.0.0.1"), ports=None)], []),
    ("IPv6", [piece(endpoint("fd00::1"), kind="IPv6")], ["fd00::1"]),
    ("names", [piece(endpoint("a.example"), kind="FQDN")], []),
]


@pytest.mark.parametrize(("slices", "addresses"), [row[1:] for row in SLICES], ids=[row[0] for row in SLICES])
def test_replicas(slices: list[dict[str, Any]], addresses: list[str]) -> None:
    assert endpoints_of(slices) == tuple(Endpoint(address, 8000) for address in addresses)


def test_replicas_belong_to_the_service_of_their_model() -> None:
    slices = {("team", "chat-a"): [piece(endpoint("10.0.0.1"))], ("other", "chat-a"): [piece(endpoint("10.0.0.2"))]}
    (found,) = catalogue_of([deployment()], slices).models
    assert found.endpoints == (Endpoint("10.0.0.1", 8000),)
    assert (found.key, found.state, found.created) == ("team/chat-a", "ready", 1767225600)


@pytest.mark.parametrize(
    ("status", "reason", "state", "shown"),
    [
        ("False", "WeightsNotFound", "unavailable", "WeightsNotFound"),
        ("False", "Starting", "starting", "Starting"),
        ("True", "ScaledToZero", "asleep", "ScaledToZero"),
        ("False", "Suspended", "suspended", "Suspended"),
        ("True", "Ready", "unavailable", ""),
        ("False", "ReasonOfALaterVersion", "unavailable", ""),
    ],
)
def test_why_a_model_does_not_serve(status: str, reason: str, state: str, shown: str) -> None:
    found = model_of(deployment(status=ready_condition(status, reason)), ())
    assert (found.state, found.reason) == (state, shown)


SLEEPY = {"maxReplicas": 2, "scaleToZero": {"idleAfter": "10m"}}


@pytest.mark.parametrize(
    ("spec", "reason", "wakeable"),
    [
        ({}, "Ready", True),  # its only pod has just died
        ({}, "Starting", True),
        ({}, "CrashLoopBackOff", False),
        ({}, "ScaledToZero", False),  # by spec.replicas
        ({"autoscaling": SLEEPY}, "ScaledToZero", True),
        ({}, "Unschedulable", False),
        ({"autoscaling": SLEEPY}, "Unschedulable", True),  # a node may be made for it
        ({"autoscaling": SLEEPY, "lifecycle": {"suspend": True}}, "ScaledToZero", False),
    ],
)
def test_for_which_models_a_request_may_wait(spec: dict[str, Any], reason: str, wakeable: bool) -> None:
    found = model_of(deployment(spec=spec, status=ready_condition("False", reason)), ())
    assert found.wakeable is wakeable


def test_how_long_a_model_may_be_idle_and_when_it_was_used() -> None:
    status = {"demand": {"lastActiveAt": "2026-01-01T00:00:00.250000Z", "waiting": 2}}
    found = model_of(deployment(spec={"autoscaling": SLEEPY}, status=status), ())
    assert (found.sleep_after, found.last_active) == (600.0, 1767225600.25)


def test_a_suspended_model_is_not_served_by_pods_on_their_way_out() -> None:
    suspended = deployment(spec={"lifecycle": {"suspend": True}}, status=ready_condition("True", "Ready"))
    found = model_of(suspended, (Endpoint("10.0.0.1", 8000),))
    assert (found.endpoints, found.wakeable, found.state, found.reason) == ((), False, "suspended", "Suspended")


def test_a_model_that_an_older_one_keeps_a_name_from_is_known_by_its_others() -> None:
    def claiming(name: str, created: str, *names: str) -> ModelDeployment:
        refused = ready_condition("False", "ServedNameConflict") if name == "b" else {}
        spec = {"model": {"source": "demo://chat", "servedNames": names}}
        return deployment(name, spec=spec, metadata={"creationTimestamp": created}, status=refused)

    models = [claiming("b", "2026-01-02T00:00:00Z", "x", "y"), claiming("a", "2026-01-01T00:00:00Z", "x")]
    known = catalogue_of(models, {}).by_name
    assert {name: (found.name, found.reason) for name, found in known.items()} == {
        "x": ("a", ""),
        "y": ("b", "ServedNameConflict"),
    }
    running = catalogue_of(models, {("team", "b"): [piece(endpoint("10.0.0.1"))]}).by_name
    assert (running["x"].state, running["y"].state) == ("unavailable", "ready")


def test_names_tasks_and_routing() -> None:
    spec = {
        "model": {"source": "demo://chat", "servedNames": ["a", "b"]},
        "tasks": ["chat"],
        "routing": {"timeouts": {"firstByte": "1m"}, "retries": 0, "queue": {"maxLength": 3, "timeout": "20s"}},
    }
    found = model_of(deployment(spec=spec), ())
    assert (found.served_names, found.tasks) == (("a", "b"), frozenset({"chat"}))
    policy = found.policy
    assert (policy.first_byte_timeout, policy.retries, policy.hold_length, policy.hold_timeout) == (60, 0, 3, 20)
    assert policy.connect_timeout == 5


@pytest.mark.parametrize(("status", "told"), [({}, {}), ({"device": "cuda"}, {"device": "cuda"})])
def test_what_a_model_computes_on_is_listed(status: dict[str, Any], told: dict[str, Any]) -> None:
    listed = entry("chat-a", model_of(deployment(status=status), ()))
    assert {name: value for name, value in listed.items() if name == "device"} == told


@pytest.mark.parametrize(
    ("reason", "start", "state"),
    [
        ("Starting", {"phase": "loading"}, "loading"),
        ("Pending", {"phase": "pulling"}, "pulling"),
        ("Pending", {"totalSeconds": 26.5}, "starting"),
        ("Starting", {"phase": "dancing"}, "dancing"),
        ("OOMKilled", {"phase": "loading"}, "unavailable"),
        ("ScaledToZero", {"totalSeconds": 26.5}, "asleep"),
    ],
)
def test_how_far_a_start_is(reason: str, start: dict[str, Any], state: str) -> None:
    status = {**ready_condition("False", reason), "coldStart": {"startedAt": "2026-01-01T00:00:00Z", **start}}
    assert model_of(deployment(status=status), ()).state == state


def test_where_the_time_of_the_last_start_went_is_listed() -> None:
    start = {"startedAt": "2026-01-01T00:00:00Z", "pulledSeconds": 4.5, "loadedSeconds": 8, "totalSeconds": 26.5}
    finished, going = ({**start, **phase} for phase in ({}, {"phase": "loading"}))
    listed = entry("chat-a", model_of(deployment(status={"coldStart": finished}), ()))
    assert listed["start_seconds"] == {"pulled": 4.5, "loaded": 8.0, "total": 26.5}
    assert "start_seconds" not in entry("chat-a", model_of(deployment(status={"coldStart": going}), ()))


def test_a_model_on_its_way_out_is_not_offered() -> None:
    going = deployment(metadata={"deletionTimestamp": "2026-01-02T00:00:00Z"})
    assert not catalogue_of([going], {}).models


def test_a_name_belongs_to_the_older_model() -> None:
    young, old = model("same", created=2, namespace="a"), model("same", created=1, namespace="b")
    assert Catalogue.of([young, old]).by_name["same"] is old


def api_key(**spec: Any) -> APIKey:
    hashes = [
        {"sha256": hash_key("old"), "expiresAt": "2026-01-01T00:00:30Z"},
        {"sha256": hash_key("new")},
    ]
    return APIKey.model_validate(
        {
            "metadata": {"name": "demo", "namespace": "team", "uid": "6d0e"},
            "spec": {"owner": "alice", **spec},
            "status": {"keyHashes": hashes},
            "apiVersion": "slipway.dev/v1alpha1",
            "kind": "APIKey",
        }
    )


def test_both_keys_of_a_rotation_count() -> None:
    keys = key_ring_of([api_key(models=["chat-*"])]).keys
    assert set(keys) == {hash_key("old"), hash_key("new")}
    assert (keys[hash_key("old")].expires_at, keys[hash_key("new")].expires_at) == (1767225630, None)
    caller = keys[hash_key("new")].caller
    assert (caller.name, caller.owner, caller.models) == ("team/demo", "alice", ("chat-*",))
    assert {key.caller.identity for key in keys.values()} == {"team/demo#6d0e"}


def test_the_earlier_of_two_expiries_counts() -> None:
    keys = key_ring_of([api_key(expiresAt="2026-01-01T00:00:10Z")]).keys
    assert {key.expires_at for key in keys.values()} == {1767225610}


def test_a_suspended_key_does_not_count() -> None:
    assert not key_ring_of([api_key(suspend=True)]).keys
