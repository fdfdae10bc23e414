"""Once the world is as it should be, passes write nothing, whatever the spec."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from slipway_crds.model_deployment import ModelDeployment
from slipway_operator.domain.resources import DEPLOYMENT, MODEL_DEPLOYMENT, Ref
from tests.fakes.cluster import FakeCluster
from tests.operators import NAMESPACE, Operator, api_key, conditions, model

quantities = st.sampled_from(["1", "0.5", "500m", "1Gi", "1024Mi", 2])
specs = st.fixed_dictionaries(
    {},
    optional={
        "engine": st.sampled_from(
            [
                {"type": "onnx"},
                {"type": "vllm", "image": "example/vllm:1", "args": ["--max-model-len=8192"]},
                {"type": "tei", "args": ["--auto-truncate"], "env": [{"name": "MODEL_ID", "value": "other/model"}]},
                {"type": "llamacpp", "env": [{"name": "A", "value": ""}, {"name": "B"}]},
            ]
        ),
        "resources": st.fixed_dictionaries(
            {},
            optional={
                "gpu": st.fixed_dictionaries({"count": st.integers(0, 8)}),
                "requests": st.dictionaries(st.sampled_from(["cpu", "memory"]), quantities),
                "limits": st.dictionaries(st.sampled_from(["cpu", "memory"]), quantities),
            },
        ),
        "cache": st.sampled_from(
            [{"size": "10Gi"}, {"existingClaim": "mine"}, {"size": "1Ti", "storageClassName": "fast"}]
        ),
        "lifecycle": st.sampled_from([{"suspend": True}, {"drainTimeout": "1h", "startupTimeout": "90s"}]),
        "template": st.sampled_from(
            [
                {"nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}]},
                {"volumes": [{"name": "v", "emptyDir": {}}], "volumeMounts": [{"name": "v", "mountPath": "/v"}]},
                {"serviceAccountName": "own", "imagePullSecrets": ["a", "b"], "labels": {"team": "x"}},
            ]
        ),
    },
)
scales = st.one_of(
    st.fixed_dictionaries({}, optional={"replicas": st.integers(0, 5)}),
    st.fixed_dictionaries(
        {
            "autoscaling": st.fixed_dictionaries(
                {"maxReplicas": st.integers(3, 9)},
                optional={
                    "minReplicas": st.integers(1, 3),
                    "metrics": st.sampled_from(
                        [[{"type": "cpu", "target": 50}], [{"type": "queueLength", "target": 3}], None]
                    ),
                },
            )
        }
    ),
)


@given(first=st.tuples(specs, scales), second=st.tuples(specs, scales))
def test_any_spec_and_any_change_of_it_settles(
    first: tuple[dict[str, Any], dict[str, Any]], second: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    cluster = FakeCluster()
    operator = Operator(cluster)
    for spec in (first, second):
        manifest = model(**spec[0], **spec[1])
        ModelDeployment.model_validate(manifest)
        cluster.put(manifest)
        operator.settle("m")
        settled = len(cluster.writes)
        # A restarted operator, which remembers nothing, finds nothing to do either.
        Operator(cluster).pass_over("m")
        assert cluster.writes[settled:] == []


def test_passes_that_see_the_world_as_it_was_before_their_writes_do_not_repeat_them() -> None:
    cluster = FakeCluster()
    cluster.put(model(replicas=2))
    operator = Operator(cluster)
    operator.world.freeze()
    assert operator.pass_over("m") is not None
    written = list(cluster.writes)
    operator.pass_over("m")
    assert cluster.writes == written
    operator.world.thaw()
    operator.settle("m")
    assert cluster.writes == [*written, "status ModelDeployment m"]


def test_a_detail_waits_a_little_for_something_that_matters() -> None:
    cluster = FakeCluster()
    cluster.put(model())
    operator = Operator(cluster)
    operator.settle("m")
    deployment, mdep = Ref(DEPLOYMENT, NAMESPACE, "m"), Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")
    settled = len(cluster.writes)
    cluster.set_status(deployment, {"observedGeneration": 1, "replicas": 1})
    assert operator.pass_over("m") == 3
    assert cluster.writes[settled:] == []
    cluster.set_status(deployment, {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1})
    operator.pass_over("m")
    assert cluster.writes[settled:] == [
        "status ModelDeployment m",
        f"event Event {cluster.events[-1]['metadata']['name']}",
    ]
    cluster.set_status(deployment, {"observedGeneration": 1, "replicas": 2, "readyReplicas": 1, "updatedReplicas": 1})
    operator.pass_over("m")
    cluster.set_status(deployment, {"observedGeneration": 1, "replicas": 3, "readyReplicas": 1, "updatedReplicas": 1})
    operator.pass_over("m")
    operator.clock.seconds += 3
    assert operator.pass_over("m") is None
    assert cluster.objects[mdep]["status"]["replicas"] == 3


def test_a_write_that_never_shows_is_repeated_after_a_while() -> None:
    cluster = FakeCluster()
    cluster.put(model())
    operator = Operator(cluster)
    operator.world.freeze()
    operator.pass_over("m")
    written = len(cluster.writes)
    operator.clock.seconds += 60
    operator.pass_over("m")
    assert "apply Deployment m" in cluster.writes[written:]


def test_an_apply_that_changes_nothing_is_not_repeated() -> None:
    cluster = FakeCluster()
    cluster.drops = "enableServiceLinks"
    cluster.put(model())
    operator = Operator(cluster)
    operator.settle("m")
    settled = len(cluster.writes)
    operator.clock.seconds += 3600
    assert operator.pass_over("m") is None
    assert cluster.writes[settled:] == []
    counts = {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1}
    cluster.set_status(Ref(DEPLOYMENT, NAMESPACE, "m"), counts)
    operator.settle("m")
    assert conditions(cluster.objects[Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")])["Progressing"] == ("False", "UpToDate")


def test_a_key_settles() -> None:
    cluster = FakeCluster()
    cluster.put(api_key())
    operator = Operator(cluster)
    operator.pass_over_key("k")
    settled = len(cluster.writes)
    Operator(cluster).pass_over_key("k")
    assert cluster.writes[settled:] == []


def test_what_cannot_run_here_says_so_once() -> None:
    cluster = FakeCluster()
    cluster.put(model(engine={"type": "diffusers"}, model={"source": "hf://org/repo"}))
    Operator(cluster).settle("m")
    assert cluster.of_kind(DEPLOYMENT) == {}
    condition = cluster.objects[Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")]["status"]["conditions"][-1]
    assert condition["reason"] == "EngineNotAvailable"
    assert "diffusers" in condition["message"]
