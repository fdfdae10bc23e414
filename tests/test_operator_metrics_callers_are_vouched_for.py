"""Who asks for metrics: the front proxy's certificate and headers, and what the authoriser is asked."""

import json

import pytest

from slipway_operator.domain.metrics_api.documents import ApiError
from slipway_operator.domain.metrics_api.identity import (
    Caller,
    FrontProxy,
    FrontProxyError,
    access_review,
    caller_of,
)
from slipway_operator.domain.metrics_api.queries import value_query

DATA = {
    "client-ca-file": "not this one",
    "requestheader-client-ca-file": "PEM",
    "requestheader-allowed-names": '["front-proxy-client"]',
    "requestheader-username-headers": '["X-Remote-User","X-User"]',
    "requestheader-group-headers": '["X-Remote-Group"]',
    "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
}
PROXY = FrontProxy.of_data(DATA)
NAME = "front-proxy-client"


def test_the_user_is_whom_the_headers_name() -> None:
    headers = [
        ("x-remote-user", "ann"),
        ("X-Remote-Group", "dev"),
        ("x-remote-group", "ops"),
        ("X-Remote-Extra-Example.com%2fScope", "a"),
        ("X-Remote-Extra-example.com%2Fscope", "b"),
        ("X-Other", "z"),
    ]
    extra = (("example.com/scope", ("a", "b")),)
    assert caller_of(PROXY, NAME, headers) == Caller("ann", ("dev", "ops", "system:authenticated"), extra)


def test_the_aggregator_itself_counts_as_authenticated() -> None:
    assert caller_of(PROXY, NAME, [("X-Remote-User", "system:kube-aggregator")]).groups == ("system:authenticated",)


def test_a_second_header_may_name_the_user() -> None:
    assert caller_of(PROXY, NAME, [("X-Remote-User", ""), ("X-User", "bob")]).user == "bob"


@pytest.mark.parametrize(
    ("name", "headers"),
    [(None, [("X-Remote-User", "ann")]), ("admin", [("X-Remote-User", "ann")]), (NAME, []), ("", [])],
)
def test_nobody_else_vouches(name: str | None, headers: list[tuple[str, str]]) -> None:
    with pytest.raises(ApiError) as caught:
        caller_of(PROXY, name, headers)
    assert (caught.value.code, caught.value.reason) == (401, "Unauthorized")


def test_without_allowed_names_the_authority_suffices() -> None:
    proxy = FrontProxy.of_data({**DATA, "requestheader-allowed-names": "[]"})
    assert caller_of(proxy, "anything", [("X-Remote-User", "ann")]).user == "ann"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("requestheader-client-ca-file", "", "requestheader-client-ca-file"),
        ("requestheader-username-headers", "[]", "requestheader-username-headers"),
        ("requestheader-group-headers", "X-Remote-Group", "no JSON list"),
        ("requestheader-allowed-names", '{"a": 1}', "no JSON list"),
    ],
)
def test_a_front_proxy_that_cannot_be_used_says_why(key: str, value: str, words: str) -> None:
    with pytest.raises(FrontProxyError, match=words):
        FrontProxy.of_data({**DATA, key: value})


def test_access_to_values_is_that_to_the_metric_of_the_object() -> None:
    path = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/models/pods/%2A/slipway_queue_length"
    review = access_review(Caller("ann", ("dev",), (("k", ("v",)),)), path, value_query(path, {}))
    assert review["spec"] == {
        "user": "ann",
        "groups": ["dev"],
        "extra": {"k": ["v"]},
        "resourceAttributes": {
            "group": "custom.metrics.k8s.io",
            "version": "v1beta2",
            "resource": "pods",
            "subresource": "slipway_queue_length",
            "namespace": "models",
            "name": "*",
            "verb": "get",
        },
    }
    assert json.dumps(review)


def test_access_to_discovery_is_that_to_its_path() -> None:
    review = access_review(Caller("ann", ()), "/apis/custom.metrics.k8s.io/v1beta2", None)
    assert review["spec"]["nonResourceAttributes"] == {"path": "/apis/custom.metrics.k8s.io/v1beta2", "verb": "get"}
