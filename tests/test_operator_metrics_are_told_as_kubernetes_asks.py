"""The documents of the custom metrics API: discovery, values of pods and of models, and failures."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from slipway_crds.names import child_name
from slipway_operator.domain.metrics_api.documents import VERSIONS, ApiError, Document, quantity, status
from slipway_operator.domain.metrics_api.exposition import Series
from slipway_operator.domain.metrics_api.queries import answer, discovery, value_query
from slipway_operator.domain.metrics_api.readings import STALE_SECONDS, WINDOW_SECONDS, Readings, Target
from slipway_operator.domain.metrics_api.selectors import SelectorError, parse_selector
from slipway_operator.domain.metrics_api.table import BY_NAME

START = datetime(2026, 1, 1, 12, 30, 15, 700_000, UTC)
IN_FLIGHT = "slipway_in_flight_requests"
CACHE = "slipway_engine_cache_percent"
GROUP_PATH = "/apis/custom.metrics.k8s.io"


def target(name: str, model: str = "chat", namespace: str = "models") -> Target:
    labels = {"app.kubernetes.io/name": "slipway-model", "slipway.dev/model": model}
    return Target(namespace, name, f"uid-{namespace}-{name}", "10.0.0.1", labels)


def readings(**in_flight: tuple[float, ...]) -> Readings:
    """Pods ``MODEL_N`` with what they told every 5 s; their engine's cache is a tenth of it."""
    found = Readings()
    targets = {name: target(name.replace("_", "-"), name.rpartition("_")[0]) for name in in_flight}
    found.keep_only(list(targets.values()))
    for name, values in in_flight.items():
        for place, value in enumerate(values):
            snapshot = {
                "slipway_runtime_in_flight": Series(value, 1),
                "vllm:kv_cache_usage_perc": Series(value / 10, 1),
            }
            found.add(targets[name], snapshot, 5.0 * place, START + timedelta(seconds=5 * place))
    return found


def ask(found: Readings, path: str, clock: float = 10.0, version: str = "v1beta2", **query: str) -> Document:
    query_of_path = value_query(f"{GROUP_PATH}/{version}/namespaces/models/{path}", query)
    assert query_of_path is not None
    return answer(query_of_path, found, clock)


def refused(found: Readings, path: str, **query: str) -> Document:
    with pytest.raises(ApiError) as caught:
        ask(found, path, 10.0, "v1beta2", **query)
    return status(caught.value)


def values(document: Document) -> dict[str, str]:
    return {item["describedObject"]["name"]: item["value"] for item in document["items"]}


def test_a_list_of_pods_is_what_autoscalers_read() -> None:
    found = readings(chat_0=(1.0, 1.5))
    item = {
        "describedObject": {"kind": "Pod", "namespace": "models", "name": "chat-0", "apiVersion": "v1"},
        "metric": {"name": IN_FLIGHT},
        "timestamp": "2026-01-01T12:30:20Z",
        "windowSeconds": 5,
        "value": "1250m",
    }
    assert ask(found, f"pods/*/{IN_FLIGHT}") == {
        "kind": "MetricValueList",
        "apiVersion": "custom.metrics.k8s.io/v1beta2",
        "metadata": {},
        "items": [item],
    }
    old = ask(found, f"pods/*/{IN_FLIGHT}", version="v1beta1")["items"][0]
    del item["metric"]
    assert old == {**item, "metricName": IN_FLIGHT}


def test_pods_are_chosen_by_name_and_labels() -> None:
    found = readings(chat_0=(1.0,), chat_1=(2.0,), other_0=(3.0,))
    chat = "app.kubernetes.io/name=slipway-model,slipway.dev/model=chat"
    assert values(ask(found, f"pods/*/{IN_FLIGHT}", labelSelector=chat)) == {"chat-0": "1", "chat-1": "2"}
    assert values(ask(found, f"pods/%2A/{IN_FLIGHT}")) == {"chat-0": "1", "chat-1": "2", "other-0": "3"}
    assert values(ask(found, f"pods/chat-1/{IN_FLIGHT}")) == {"chat-1": "2"}
    assert values(ask(found, f"pods/*/{IN_FLIGHT}", labelSelector="slipway.dev/model=none")) == {}


@pytest.mark.parametrize("kind", ["services", "deployments.apps", "modeldeployments.slipway.dev"])
def test_a_model_has_the_sum_or_the_mean_of_its_replicas(kind: str) -> None:
    found = readings(chat_0=(1.0,), chat_1=(2.0,), other_0=(9.0,))
    assert values(ask(found, f"{kind}/chat/{IN_FLIGHT}")) == {"chat": "3"}
    assert values(ask(found, f"{kind}/chat/{CACHE}")) == {"chat": "15"}


def test_a_model_with_a_long_name_is_found() -> None:
    name = "a" * 70
    found, pod = Readings(), target("p", child_name(name))
    found.keep_only([pod])
    found.add(pod, {"slipway_runtime_in_flight": Series(1.0, 1)}, 0.0, START)
    assert values(ask(found, f"modeldeployments.slipway.dev/{name}/{IN_FLIGHT}")) == {name: "1"}
    assert values(ask(found, f"services/{child_name(name)}/{IN_FLIGHT}")) == {child_name(name): "1"}


def test_values_of_other_namespaces_stay_there() -> None:
    found, elsewhere = Readings(), target("chat-0", namespace="elsewhere")
    found.keep_only([elsewhere])
    found.add(elsewhere, {"slipway_runtime_in_flight": Series(1.0, 1)}, 0.0, START)
    assert values(ask(found, f"pods/*/{IN_FLIGHT}")) == {}


def test_pods_that_fall_silent_or_go_lose_their_values() -> None:
    found = readings(chat_0=(1.0,), chat_1=(1.0, 1.0))
    assert values(ask(found, f"pods/*/{IN_FLIGHT}", clock=STALE_SECONDS + 4)) == {"chat-1": "1"}
    assert values(ask(found, f"pods/*/{IN_FLIGHT}", clock=STALE_SECONDS + 6)) == {}
    found.keep_only([])
    assert values(ask(found, f"pods/*/{IN_FLIGHT}")) == {}
    found.add(target("chat-0"), {"slipway_runtime_in_flight": Series(1.0, 1)}, 0.0, START)
    assert values(ask(found, f"pods/*/{IN_FLIGHT}")) == {}


def test_values_follow_the_window_only() -> None:
    found = readings(chat_0=(100.0, *[2.0] * 9))
    clock = 45.0
    (reading,) = found.of(BY_NAME[IN_FLIGHT], "models", clock)
    assert (reading.value, reading.window) == (2.0, WINDOW_SECONDS)


@pytest.mark.parametrize(
    ("path", "query", "code", "words"),
    [
        ("pods/*/cpu", {}, 404, "slipway_gpu_utilization_percent"),
        (f"nodes/n/{IN_FLIGHT}", {}, 404, "services"),
        (f"pods/gone/{IN_FLIGHT}", {}, 404, "not ready"),
        (f"services/gone/{IN_FLIGHT}", {}, 404, "not ready"),
        (f"services/*/{IN_FLIGHT}", {}, 400, "name one"),
        (f"pods/*/{IN_FLIGHT}", {"labelSelector": "a in b"}, 400, "'a in b'"),
        (f"pods/*/{IN_FLIGHT}", {"metricLabelSelector": "a=b"}, 400, "no labels"),
    ],
)
def test_failures_say_what_to_write(path: str, query: dict[str, Any], code: int, words: str) -> None:
    document = refused(readings(chat_0=(1.0,)), path, **query)
    assert (document["kind"], document["status"], document["code"]) == ("Status", "Failure", code)
    assert words in document["message"]


def test_discovery_names_every_metric_of_every_kind() -> None:
    assert discovery("/apis") == {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_without_kind()]}
    for version in VERSIONS:
        listed = discovery(f"{GROUP_PATH}/{version}")
        assert listed is not None
        assert listed["groupVersion"] == f"custom.metrics.k8s.io/{version}"
        names = {resource["name"] for resource in listed["resources"]}
        assert {f"pods/{IN_FLIGHT}", f"deployments.apps/{CACHE}", f"services/{CACHE}"} < names
        assert all(resource["namespaced"] and resource["verbs"] == ["get"] for resource in listed["resources"])
    for other in (f"{GROUP_PATH}/v1", f"{GROUP_PATH}/v1beta2/", "/api", "/openapi/v3"):
        assert discovery(other) is None


def _without_kind() -> Document:
    described = discovery(GROUP_PATH)
    assert described is not None
    return {name: part for name, part in described.items() if name not in ("kind", "apiVersion")}


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (3, "3"), (1.25, "1250m"), (0.0004, "0"), (-0.5, "-500m"), (1e6, "1000000")]
)
def test_quantities_are_whole_or_in_thousandths(value: float, text: str) -> None:
    assert quantity(value) == text


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("app=x", True),
        (" app == x , tier in (a, b) ", True),
        ("app!=x", False),
        ("absent!=x", True),
        ("tier notin (a)", False),
        ("absent notin (a)", True),
        ("tier", True),
        ("!tier", False),
        ("!absent,app", True),
        ("in in (x)", False),
        ("empty=", True),
    ],
)
def test_selectors_mean_what_kubernetes_means(selector: str, matches: bool) -> None:
    assert parse_selector(selector)({"app": "x", "tier": "a", "empty": ""}) is matches


@pytest.mark.parametrize("selector", ["app=x y", "in (a)", "=x", "a in b", "a,,b", "a=b;c", "x" * 5000])
def test_other_selectors_are_refused(selector: str) -> None:
    with pytest.raises(SelectorError):
        parse_selector(selector)
