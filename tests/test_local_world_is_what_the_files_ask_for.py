"""From resources to what this machine runs: pure."""

import pytest

from slipway_crds.conditions import Reason
from slipway_crds.documents import DocumentError, load_documents
from slipway_crds.engines import EngineType
from slipway_local.domain.changes import Changes, changes_between
from slipway_local.domain.engine_support import parse_engine_pythons, unavailable_engines
from slipway_local.domain.external import key_lookup
from slipway_local.domain.world import Machine, Problem, World, world_of
from tests.local_mode import api_key, document

ZERO = "autoscaling: {minReplicas: 0, maxReplicas: 3, scaleToZero: {idleAfter: 90s}}"
EXTERNAL = document("a", "external", "https://api.example.com/v1").replace(
    "args: []", "authSecret: {name: open-ai, key: api.token}"
)
NAMESPACED = document("a").replace("{name: a}", "{name: a, namespace: other}")


def world(text: str, machine: Machine | None = None) -> World:
    return world_of(load_documents(text, "test"), machine or Machine())


def test_models_and_keys_keep_the_order_of_the_files() -> None:
    found = world(document("b") + api_key("k2") + document("a") + api_key("k1"))
    assert list(found.models) == ["b", "a"]
    assert [key.metadata.name for key in found.keys] == ["k2", "k1"]


@pytest.mark.parametrize(
    ("rest", "default", "seconds"), [("", None, None), ("", 60.0, 60.0), (ZERO, None, 90.0), (ZERO, 60.0, 90.0)]
)
def test_idle_time_is_the_models_own_or_the_default(rest: str, default: float | None, seconds: float | None) -> None:
    assert world(document("a", rest=rest), Machine(idle_after=default)).models["a"].idle_after == seconds


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (document("a", rest="lifecycle: {suspend: true}"), Reason.SUSPENDED),
        (document("a", source="pvc://claim/path"), Reason.INVALID_CONFIGURATION),
        (document("a", "vllm", "hf://org/repo"), Reason.ENGINE_NOT_AVAILABLE),
        (document("a", "vllm", rest='adapters: [{name: x, source: "pvc://claim/x"}]'), Reason.INVALID_CONFIGURATION),
        (EXTERNAL, Reason.SECRET_NOT_FOUND),
    ],
)
def test_what_cannot_run_here_is_blocked_with_its_reason(text: str, reason: Reason) -> None:
    machine = Machine({EngineType.VLLM: Problem(Reason.ENGINE_NOT_AVAILABLE, "not here")})
    blocked = world(text, machine).models["a"].blocked
    assert blocked is not None
    assert blocked.reason is reason


def test_what_only_a_cluster_has_is_noted_and_does_nothing() -> None:
    resources = "resources: {gpu: {count: 1}, limits: {memory: 1Gi}}"
    found = world(
        document("a", rest=f"replicas: 3, {resources}, cache: {{size: 1Gi}}, template: {{schedulerName: mine}}")
    )
    assert [note.split("spec.")[1].split()[0] for note in found.notes] == [
        "cache",
        "template",
        "resources.limits",
        "replicas",
    ]
    assert world(document("b")).notes == ()


def test_a_variable_from_a_secret_is_asked_of_the_shell() -> None:
    text = document("a").replace(
        "args: []", "env: [{name: HF_TOKEN, valueFrom: {secretKeyRef: {name: s, key: k}}}, {name: A, value: b}]"
    )
    assert "HF_TOKEN" in world(text).warnings[0]
    assert world(text, Machine(variables=frozenset({"HF_TOKEN"}))).warnings == ()
    assert world(text).models["a"].launch.env == (("A", "b"),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (document("a") + NAMESPACED, "ModelDeployment a comes twice; local mode has no namespaces"),
        (
            document("a") + document("b").replace('demo://dummy"', 'demo://dummy", servedNames: [a]'),
            "ModelDeployments a and b both serve the name a",
        ),
        (
            document("a") + document("b", "vllm", rest='adapters: [{name: a, source: "demo://sql"}]'),
            "ModelDeployments a and b both serve the name a",
        ),
    ],
)
def test_two_that_cannot_live_side_by_side_are_refused(text: str, words: str) -> None:
    with pytest.raises(DocumentError, match=words):
        world(text)


def test_changes_tell_what_needs_a_restart() -> None:
    old = world(document("same") + document("gone") + document("flags") + document("scale") + document("held"))
    new = world(
        document("same")
        + document("flags", args='["--dimensions=3"]')
        + document("scale", rest=ZERO)
        + document("held", rest="lifecycle: {suspend: true}")
        + document("new")
    )
    expected = Changes(added=("new",), removed=("gone",), restarted=("flags", "held"), adjusted=("scale",))
    assert changes_between(old, new) == expected
    assert changes_between(new, new) == Changes()


def test_engines_are_available_by_their_module() -> None:
    found = unavailable_engines(lambda engine, module: (engine, module) == (EngineType.LLAMACPP, "xllamacpp"))
    assert found.keys() == {EngineType.ONNX, EngineType.VLLM, EngineType.DIFFUSERS, EngineType.TEI}
    assert "pip install 'slipway[runtime-onnx]'" in found[EngineType.ONNX].message
    assert "--engine-python" not in found[EngineType.ONNX].message
    assert "pip install 'slipway[runtime-vllm]'" in found[EngineType.VLLM].message
    assert "slipway up --engine-python vllm=PATH" in found[EngineType.VLLM].message
    assert "engine.type: onnx" in found[EngineType.TEI].message


def test_engines_in_environments_of_their_own_are_named_by_their_python() -> None:
    assert parse_engine_pythons(["vllm=/a/python", "diffusers=~/b=c", "vllm=/d"]) == {
        EngineType.VLLM: "/d",
        EngineType.DIFFUSERS: "~/b=c",
    }


@pytest.mark.parametrize("text", ["", "vllm", "vllm=", "=x", "tei=/x", "dummy=/x", "VLLM=/x"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"vllm=/opt/vllm/bin/python \(llamacpp, onnx, vllm, diffusers\)"):
        parse_engine_pythons([text])


@pytest.mark.parametrize(
    ("wanted", "there", "given", "words"),
    [(0, 2, 0, None), (1, 2, 1, None), (2, 1, 1, "this machine has 1"), (1, 0, 0, "has no NVIDIA GPU")],
)
def test_gpus_are_given_as_far_as_there_are_any(wanted: int, there: int, given: int, words: str | None) -> None:
    found = world(document("a", rest=f"resources: {{gpu: {{count: {wanted}}}}}"), Machine(gpus=there))
    assert found.models["a"].launch.gpu_count == given
    assert len(found.warnings) == (words is not None)
    assert words is None or words in found.warnings[0]


def test_the_key_of_a_provider_is_asked_of_the_shell() -> None:
    blocked = world(EXTERNAL).models["a"].blocked
    assert blocked is not None
    assert "Secret open-ai, key api.token; here set SLIPWAY_SECRET_OPEN_AI_API_TOKEN" in blocked.message
    found = world(EXTERNAL, Machine(variables=frozenset({"SLIPWAY_SECRET_OPEN_AI_API_TOKEN"})))
    assert found.models["a"].blocked is None
    look_up = key_lookup([found.models["a"].resource], {"SLIPWAY_SECRET_OPEN_AI_API_TOKEN": " sk-1\n"})
    assert (look_up("default.a"), look_up("default.b")) == ("sk-1", None)


def test_adapters_are_part_of_what_is_launched() -> None:
    found = world(document("a", "vllm", rest='adapters: [{name: sql, source: "demo://sql"}]'))
    assert found.models["a"].launch.adapters == (("sql", "demo://sql"),)
