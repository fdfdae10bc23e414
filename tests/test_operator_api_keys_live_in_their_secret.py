"""An APIKey's clear text is in its Secret alone; the status carries hashes, two during a rotation."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from slipway_crds.keys import KEY_PREFIX, hash_key
from slipway_operator.domain.errors import RefusedError
from slipway_operator.domain.resources import API_KEY, SECRET, Manifest, Ref
from tests.fakes.cluster import FakeCluster
from tests.operators import NAMESPACE, START, Operator, api_key, ready

KEY = Ref(API_KEY, NAMESPACE, "k")
SECRET_REF = Ref(SECRET, NAMESPACE, "k-apikey")


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def issue(cluster: FakeCluster, **spec: Any) -> Operator:
    cluster.put(api_key(**spec))
    operator = Operator(cluster)
    operator.pass_over_key("k")
    return operator


def clear_text(cluster: FakeCluster, ref: Ref = SECRET_REF) -> str:
    return base64.b64decode(cluster.objects[ref]["data"]["key"]).decode()


def hashes(cluster: FakeCluster) -> list[str]:
    return [item["sha256"] for item in cluster.objects[KEY]["status"].get("keyHashes", [])]


def test_a_key_is_issued(cluster: FakeCluster) -> None:
    issue(cluster)
    key = clear_text(cluster)
    assert key.startswith(KEY_PREFIX)
    assert hashes(cluster) == [hash_key(key)]
    assert ready(cluster.objects[KEY]) == ("True", "Issued")
    assert cluster.objects[KEY]["status"]["secretName"] == "k-apikey"


def test_the_clear_text_is_nowhere_else(cluster: FakeCluster) -> None:
    issue(cluster)
    key = clear_text(cluster)
    rest = json.dumps([body for ref, body in cluster.objects.items() if ref != SECRET_REF] + cluster.events)
    assert key not in rest
    assert base64.b64encode(key.encode()).decode() not in rest


def test_deleting_the_secret_revokes_the_key_and_makes_another(cluster: FakeCluster) -> None:
    operator = issue(cluster)
    old = clear_text(cluster)
    operator.pass_over_key("k")
    cluster.remove(SECRET_REF)
    operator.pass_over_key("k")
    assert clear_text(cluster) != old
    assert hashes(cluster) == [hash_key(clear_text(cluster))]


def test_a_rotation_keeps_the_old_key_for_the_overlap(cluster: FakeCluster) -> None:
    operator = issue(cluster, rotation={"interval": "1h", "overlap": "30s"})
    first = clear_text(cluster)
    operator.clock.seconds = 3599
    assert operator.pass_over_key("k") == pytest.approx(2)
    assert clear_text(cluster) == first
    operator.clock.seconds = 3601
    assert operator.pass_over_key("k") == pytest.approx(31)
    second = clear_text(cluster)
    assert second != first
    assert hashes(cluster) == [hash_key(second), hash_key(first)]
    ends = (START + timedelta(seconds=3631)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert cluster.objects[KEY]["status"]["keyHashes"][1]["expiresAt"] == ends
    operator.clock.seconds = 3632
    operator.pass_over_key("k")
    assert hashes(cluster) == [hash_key(second)]


def test_a_rotation_comes_at_the_moment_that_is_asked_for_once(cluster: FakeCluster) -> None:
    operator = issue(cluster)
    first = clear_text(cluster)
    at = (START + timedelta(seconds=60.5)).isoformat()
    cluster.put(api_key(rotation={"at": at, "overlap": "30s"}) | {"status": cluster.objects[KEY]["status"]})
    assert operator.pass_over_key("k") == pytest.approx(61.5)
    assert clear_text(cluster) == first
    operator.clock.seconds = 60.7
    operator.pass_over_key("k")
    second = clear_text(cluster)
    assert hashes(cluster) == [hash_key(second), hash_key(first)]
    for seconds in (60.8, 62.0, 92.0):
        operator.clock.seconds = seconds
        operator.pass_over_key("k")
    assert clear_text(cluster) == second
    assert hashes(cluster) == [hash_key(second)]


def test_a_rotation_that_does_not_show_yet_is_not_repeated(cluster: FakeCluster) -> None:
    operator = issue(cluster, rotation={"interval": "1h"})
    operator.pass_over_key("k")
    operator.clock.seconds = 3601
    operator.world.freeze()
    operator.pass_over_key("k")
    second = clear_text(cluster)
    operator.clock.seconds += 1
    assert operator.pass_over_key("k") is not None
    assert clear_text(cluster) == second


def test_a_secret_deleted_before_it_shows_is_made_again(cluster: FakeCluster) -> None:
    cluster.put(api_key())
    operator = Operator(cluster)
    operator.world.freeze()
    operator.pass_over_key("k")
    first = clear_text(cluster)
    operator.pass_over_key("k")
    assert clear_text(cluster) == first
    cluster.remove(SECRET_REF)
    operator.pass_over_key("k")
    assert clear_text(cluster) != first
    assert hashes(cluster) == [hash_key(clear_text(cluster))]


@pytest.mark.parametrize(
    ("spec", "reason"), [({"suspend": True}, "Suspended"), ({"expiresAt": "2025-12-31T23:59:59Z"}, "Expired")]
)
def test_a_refused_key_publishes_no_hash_and_keeps_its_secret(
    cluster: FakeCluster, spec: dict[str, Any], reason: str
) -> None:
    issue(cluster)
    key = clear_text(cluster)
    operator = issue(cluster, **spec)
    assert ready(cluster.objects[KEY]) == ("False", reason)
    assert hashes(cluster) == []
    cluster.put(api_key())
    operator.pass_over_key("k")
    assert (hashes(cluster), clear_text(cluster)) == ([hash_key(key)], key)


def test_a_key_that_will_expire_is_looked_at_then(cluster: FakeCluster) -> None:
    cluster.put(api_key(expiresAt="2026-01-01T00:01:00Z"))
    operator = Operator(cluster)
    assert operator.pass_over_key("k") == pytest.approx(61)
    operator.clock.seconds = 61
    operator.pass_over_key("k")
    assert ready(cluster.objects[KEY]) == ("False", "Expired")


def test_another_secret_name_moves_the_key_to_a_new_secret(cluster: FakeCluster) -> None:
    issue(cluster)
    issue(cluster, secretName="elsewhere")
    assert list(cluster.of_kind(SECRET)) == ["elsewhere"]
    assert hashes(cluster) == [hash_key(clear_text(cluster, Ref(SECRET, NAMESPACE, "elsewhere")))]


def test_the_old_secret_stays_until_the_key_has_a_new_one(cluster: FakeCluster) -> None:
    issue(cluster)
    cluster.put(foreign_secret("elsewhere"))
    issue(cluster, secretName="elsewhere")
    assert ready(cluster.objects[KEY]) == ("False", "SecretConflict")
    assert sorted(cluster.of_kind(SECRET)) == ["elsewhere", "k-apikey"]
    cluster.remove(Ref(SECRET, NAMESPACE, "elsewhere"))
    Operator(cluster).pass_over_key("k")
    assert list(cluster.of_kind(SECRET)) == ["elsewhere"]


def test_a_rotation_comes_although_the_keys_age_was_lost(cluster: FakeCluster) -> None:
    body = api_key(rotation={"interval": "1h"})
    body["metadata"]["creationTimestamp"] = START.strftime("%Y-%m-%dT%H:%M:%SZ")
    cluster.put(body)
    operator = Operator(cluster)
    operator.pass_over_key("k")
    first = clear_text(cluster)
    del cluster.objects[SECRET_REF]["metadata"]["annotations"]
    operator.clock.seconds = 3601
    operator.pass_over_key("k")
    assert clear_text(cluster) != first


def test_a_refused_secret_is_told(cluster: FakeCluster) -> None:
    cluster.refused.add(SECRET)
    with pytest.raises(RefusedError):
        issue(cluster)
    assert ready(cluster.objects[KEY]) == ("False", "ReconcileFailed")
    assert "exceeded quota" in cluster.objects[KEY]["status"]["conditions"][0]["message"]
    cluster.refused.clear()
    Operator(cluster).pass_over_key("k")
    assert ready(cluster.objects[KEY]) == ("True", "Issued")


def foreign_secret(name: str = "k-apikey") -> Manifest:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"key": "bWluZQ=="}}


def test_somebody_elses_secret_is_left_alone(cluster: FakeCluster) -> None:
    cluster.put(foreign_secret())
    operator = issue(cluster)
    assert ready(cluster.objects[KEY]) == ("False", "SecretConflict")
    assert (clear_text(cluster), hashes(cluster)) == ("mine", [])
    cluster.remove(SECRET_REF)
    operator.pass_over_key("k")
    assert ready(cluster.objects[KEY]) == ("True", "Issued")


def test_an_emptied_secret_gets_a_new_key(cluster: FakeCluster) -> None:
    operator = issue(cluster)
    operator.pass_over_key("k")
    cluster.objects[SECRET_REF]["data"] = {}
    cluster.set_status(SECRET_REF, {})
    operator.pass_over_key("k")
    assert hashes(cluster) == [hash_key(clear_text(cluster))]


def test_a_previous_hash_that_somebody_spoiled_does_not_keep_a_key_from_being_suspended(cluster: FakeCluster) -> None:
    operator = issue(cluster)
    operator.pass_over_key("k")
    cluster.objects[SECRET_REF]["metadata"]["annotations"] |= {
        "slipway.dev/previous-key-sha256": "mine",
        "slipway.dev/previous-key-expires-at": "2027-01-01T00:00:00Z",
    }
    cluster.set_status(SECRET_REF, {})
    operator.pass_over_key("k")
    assert hashes(cluster) == [hash_key(clear_text(cluster))]
    issue(cluster, suspend=True)
    assert ready(cluster.objects[KEY]) == ("False", "Suspended")


def test_nothing_is_done_about_a_key_on_its_way_out(cluster: FakeCluster) -> None:
    body = api_key()
    body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    cluster.put(body)
    Operator(cluster).pass_over_key("k")
    assert cluster.writes == []
