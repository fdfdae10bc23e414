"""A model that a provider serves has no pods; its key is copied to where routers find it, and nowhere else."""

import base64
from typing import Any

import pytest

from slipway_operator.domain.errors import RefusedError
from slipway_operator.domain.resources import DEPLOYMENT, MODEL_CHILDREN, MODEL_DEPLOYMENT, SECRET, Ref
from tests.fakes.cluster import CrashError, FakeCluster
from tests.operators import NAMESPACE, PROVIDER_KEYS, Operator, conditions, model

URL = "https://api.example.com/v1"
MODEL = Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")


def external(name: str = "m", secret: str | None = "provider", **auth: Any) -> dict[str, Any]:
    engine: dict[str, Any] = {"type": "external"}
    if secret is not None:
        engine["authSecret"] = {"name": secret, "key": "token", **auth}
    return model(name, engine=engine, model={"source": URL})


def secret(key: bytes = b"sk-1", name: str = "provider", field: str = "token") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "data": {field: base64.b64encode(key).decode()},
    }


def work(operator: Operator, *names: str) -> None:
    """What the queue would do until nothing is left."""
    for name in names:
        operator.settle(name)
    while operator.requeued:
        key = operator.requeued.pop()
        if key == PROVIDER_KEYS:
            operator.pass_over_provider_keys()
        else:
            operator.settle(key.name)


def copies(cluster: FakeCluster) -> dict[str, bytes]:
    data = cluster.objects.get(PROVIDER_KEYS, {}).get("data", {})
    return {name: base64.b64decode(value) for name, value in data.items()}


def ready(cluster: FakeCluster, name: str = "m") -> tuple[str, str, str]:
    found = cluster.objects[Ref(MODEL_DEPLOYMENT, NAMESPACE, name)]["status"]["conditions"]
    condition = next(item for item in found if item["type"] == "Ready")
    return condition["status"], condition["reason"], condition["message"]


def test_without_a_key_it_is_ready_at_once() -> None:
    cluster = FakeCluster()
    cluster.put(external(secret=None))
    work(Operator(cluster), "m")
    assert ready(cluster) == ("True", "Ready", f"requests go to {URL}")
    assert conditions(cluster.objects[MODEL])["Progressing"] == ("False", "UpToDate")
    status = cluster.objects[MODEL]["status"]
    assert status["url"] == URL
    assert status.keys() == {"observedGeneration", "conditions", "url"}
    assert [cluster.of_kind(resource) for resource in MODEL_CHILDREN] == [{}] * len(MODEL_CHILDREN)
    assert PROVIDER_KEYS not in cluster.objects


def test_its_key_is_copied_without_the_line_end() -> None:
    cluster = FakeCluster()
    cluster.put(secret(b"sk-1\n"))
    cluster.put(external())
    work(Operator(cluster), "m")
    assert ready(cluster)[:2] == ("True", "Ready")
    assert copies(cluster) == {"models.m": b"sk-1"}


@pytest.mark.parametrize(
    ("found", "reason", "words"),
    [
        (None, "SecretNotFound", "Secret models/provider does not exist"),
        (secret(field="other"), "SecretNotFound", "Secret models/provider has no key 'token'"),
        (secret(b""), "InvalidConfiguration", "printable ASCII"),
        (secret(b"two words"), "InvalidConfiguration", "printable ASCII"),
        (secret(b"x" * 8193), "InvalidConfiguration", "1 to 8192"),
    ],
)
def test_a_key_that_cannot_be_used_is_told(found: dict[str, Any] | None, reason: str, words: str) -> None:
    cluster = FakeCluster()
    if found is not None:
        cluster.put(found)
    cluster.put(external())
    operator = Operator(cluster)
    work(operator, "m")
    assert ready(cluster)[:2] == ("False", reason)
    assert words in ready(cluster)[2]
    assert copies(cluster) == {}
    cluster.put(secret())
    assert operator.pass_over_provider_keys() == 30.0
    work(operator)
    assert ready(cluster)[:2] == ("True", "Ready")
    assert copies(cluster) == {"models.m": b"sk-1"}


def test_an_optional_key_may_be_missing() -> None:
    cluster = FakeCluster()
    cluster.put(external(optional=True))
    work(Operator(cluster), "m")
    assert ready(cluster)[:2] == ("True", "Ready")
    assert copies(cluster) == {}


def test_a_changed_key_is_copied_again() -> None:
    cluster = FakeCluster()
    cluster.put(secret())
    cluster.put(external())
    operator = Operator(cluster)
    work(operator, "m")
    cluster.put(secret(b"sk-2"))
    operator.pass_over_provider_keys()
    assert copies(cluster) == {"models.m": b"sk-2"}


def test_routers_are_shown_what_has_changed() -> None:
    cluster = FakeCluster()
    cluster.put(secret())
    cluster.put(external())
    operator = Operator(cluster)
    work(operator, "m")
    first = cluster.objects[PROVIDER_KEYS]["metadata"]["resourceVersion"]
    cluster.put(secret(b"sk-2"))
    operator.pass_over_provider_keys()
    second = cluster.objects[PROVIDER_KEYS]["metadata"]["resourceVersion"]
    operator.pass_over_provider_keys()
    assert operator.routers.shown == [first, second]


def test_a_copy_goes_with_its_model() -> None:
    cluster = FakeCluster()
    cluster.put(secret())
    for name in ("a", "b", "c"):
        cluster.put(external(name))
    operator = Operator(cluster)
    work(operator, "a", "b", "c")
    assert copies(cluster).keys() == {"models.a", "models.b", "models.c"}
    cluster.remove(Ref(MODEL_DEPLOYMENT, NAMESPACE, "a"))
    cluster.put(model("b", engine={"type": "onnx"}, model={"source": "demo://embed"}))
    work(operator, "a", "b")
    assert copies(cluster).keys() == {"models.c"}
    cluster.remove(Ref(MODEL_DEPLOYMENT, NAMESPACE, "c"))
    work(operator, "c")
    assert copies(cluster) == {}


def test_what_was_left_behind_goes_when_the_operator_starts() -> None:
    cluster = FakeCluster()
    cluster.put(secret())
    cluster.put(external("gone"))
    work(Operator(cluster), "gone")
    cluster.remove(Ref(MODEL_DEPLOYMENT, NAMESPACE, "gone"))
    cluster.put(model("other"))
    work(Operator(cluster), "other")
    assert copies(cluster) == {}


def test_a_hand_edit_is_put_right() -> None:
    cluster = FakeCluster()
    cluster.put(secret())
    cluster.put(external())
    operator = Operator(cluster)
    work(operator, "m")
    cluster.objects[PROVIDER_KEYS]["data"]["models.m"] = "eA=="
    operator.pass_over_provider_keys()
    assert copies(cluster) == {"models.m": b"sk-1"}


def test_once_all_is_right_nothing_is_written() -> None:
    cluster = FakeCluster()
    cluster.put(secret())
    cluster.put(external())
    operator = Operator(cluster)
    work(operator, "m")
    settled = len(cluster.writes)
    operator.pass_over_provider_keys()
    work(operator, "m")
    work(Operator(cluster), "m")
    assert cluster.writes[settled:] == []


def test_a_missing_secret_is_soon_looked_for_again() -> None:
    cluster = FakeCluster()
    cluster.put(external())
    operator = Operator(cluster)
    work(operator, "m")
    assert [operator.pass_over_provider_keys() for _ in range(5)] == [2.0, 4.0, 8.0, 16.0, 30.0]
    cluster.put(external("other", secret="another"))
    work(operator, "other")
    assert operator.pass_over_provider_keys() == 2.0
    cluster.put(secret())
    cluster.put(secret(name="another"))
    assert operator.pass_over_provider_keys() == 30.0


def test_without_external_models_nobody_looks_again() -> None:
    cluster = FakeCluster()
    cluster.put(model())
    operator = Operator(cluster)
    assert operator.pass_over_provider_keys() is None
    assert cluster.writes == []


def test_pods_of_an_earlier_engine_go() -> None:
    cluster = FakeCluster()
    cluster.put(model(engine={"type": "onnx"}, model={"source": "demo://embed"}))
    operator = Operator(cluster)
    work(operator, "m")
    assert cluster.of_kind(DEPLOYMENT).keys() == {"m"}
    cluster.put(external(secret=None))
    work(operator, "m")
    assert [cluster.of_kind(resource) for resource in MODEL_CHILDREN] == [{}] * len(MODEL_CHILDREN)
    assert ready(cluster)[:2] == ("True", "Ready")
    assert "selector" not in cluster.objects[MODEL]["status"]


def test_a_suspended_one_says_so() -> None:
    cluster = FakeCluster()
    manifest = external(secret=None)
    manifest["spec"]["lifecycle"] = {"suspend": True}
    cluster.put(manifest)
    work(Operator(cluster), "m")
    assert ready(cluster)[:2] == ("False", "Suspended")


def test_a_copy_that_is_refused_is_told_by_the_models() -> None:
    cluster = FakeCluster()
    cluster.put(secret())
    cluster.put(external())
    cluster.refused.add(SECRET)
    operator = Operator(cluster)
    operator.settle("m")
    with pytest.raises(RefusedError):
        operator.pass_over_provider_keys()
    operator.settle("m")
    assert ready(cluster)[:2] == ("False", "ReconcileFailed")
    assert "Secret slipway-system/slipway-provider-keys" in ready(cluster)[2]


@pytest.mark.parametrize("point", range(3))
def test_every_crash_point_converges(point: int) -> None:
    cluster = FakeCluster()
    cluster.put(secret())
    cluster.put(external())
    cluster.crash_after = point
    try:
        work(Operator(cluster), "m")
    except CrashError:
        cluster.crash_after = None
        work(Operator(cluster), "m")
    assert copies(cluster) == {"models.m": b"sk-1"}
    assert ready(cluster)[:2] == ("True", "Ready")
