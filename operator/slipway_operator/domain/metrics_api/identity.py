"""Who asks: the identity that the API server's front proxy vouches for, and what is asked of the authoriser.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from slipway_operator.domain.metrics_api.documents import GROUP, ApiError
from slipway_operator.domain.metrics_api.queries import ValueQuery

_AUTHENTICATED: Final = "system:authenticated"
_LISTS: Final = {
    "allowed_names": "requestheader-allowed-names",
    "username_headers": "requestheader-username-headers",
    "group_headers": "requestheader-group-headers",
    "extra_prefixes": "requestheader-extra-headers-prefix",
}
_CA: Final = "requestheader-client-ca-file"


class FrontProxyError(ValueError):
    """The ConfigMap of the front proxy cannot be used; the message says what it lacks."""


@dataclass(frozen=True, slots=True)
class FrontProxy:
    """How the API server's front proxy shows itself: ConfigMap ``extension-apiserver-authentication``."""

    ca: str
    """Certificates of its authority, PEM."""
    allowed_names: tuple[str, ...]
    """Common names of its certificate; none means any that the authority signed."""
    username_headers: tuple[str, ...]
    group_headers: tuple[str, ...]
    extra_prefixes: tuple[str, ...]

    @classmethod
    def of_data(cls, data: Mapping[str, str]) -> "FrontProxy":
        """The front proxy that the ConfigMap's ``data`` describes.

        Raises:
            FrontProxyError: the API server runs without the aggregation layer, or the data cannot be read.
        """
        if not data.get(_CA, "").strip():
            raise FrontProxyError(f"it has no {_CA}: the API server runs without --requestheader-client-ca-file")
        lists = {name: _names(data, key) for name, key in _LISTS.items()}
        if not lists["username_headers"]:
            raise FrontProxyError("it names no requestheader-username-headers")
        return cls(ca=data[_CA], **lists)


@dataclass(frozen=True, slots=True)
class Caller:
    """A user as the API server knows it."""

    user: str
    groups: tuple[str, ...]
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


def caller_of(proxy: FrontProxy, common_name: str | None, headers: Sequence[tuple[str, str]]) -> Caller:
    """The user that a request is made for. ``common_name`` is that of the verified certificate, None without one.

    Raises:
        ApiError: nobody vouches for the request.
    """
    if common_name is None:
        raise ApiError(401, "Unauthorized", "no client certificate of the API server's front proxy")
    if proxy.allowed_names and common_name not in proxy.allowed_names:
        raise ApiError(401, "Unauthorized", "the client certificate is not one of the API server's front proxy")
    user = next((value for wanted in proxy.username_headers for value in _all(headers, wanted) if value), "")
    if not user:
        raise ApiError(401, "Unauthorized", f"no user in {' or '.join(proxy.username_headers)}")
    groups = [value for wanted in proxy.group_headers for value in _all(headers, wanted) if value]
    # The aggregator's own requests name no groups, and only the authenticated may discover: whoever comes through the
    # front proxy is authenticated.
    groups.append(_AUTHENTICATED)
    return Caller(user, tuple(dict.fromkeys(groups)), _extra(proxy, headers))


def access_review(caller: Caller, path: str, query: ValueQuery | None) -> dict[str, Any]:
    """The ``SubjectAccessReview`` that asks whether ``caller`` may have ``path``, or the values of ``query``."""
    spec: dict[str, Any] = {"user": caller.user, "groups": list(caller.groups)}
    if caller.extra:
        spec["extra"] = {key: list(values) for key, values in caller.extra}
    if query is None:
        spec["nonResourceAttributes"] = {"path": path, "verb": "get"}
    else:
        spec["resourceAttributes"] = {
            "group": GROUP,
            "version": query.version,
            "resource": query.resource,
            "subresource": query.metric,
            "namespace": query.namespace,
            "name": query.name,
            "verb": "get",
        }
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}


def _names(data: Mapping[str, str], key: str) -> tuple[str, ...]:
    try:
        names = json.loads(data.get(key) or "[]")
    except ValueError:
        raise FrontProxyError(f"{key} is no JSON list") from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise FrontProxyError(f"{key} is no JSON list of names")
    return tuple(names)


def _all(headers: Sequence[tuple[str, str]], wanted: str) -> list[str]:
    return [value for name, value in headers if name.lower() == wanted.lower()]


def _extra(proxy: FrontProxy, headers: Sequence[tuple[str, str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        for prefix in proxy.extra_prefixes:
            if name.lower().startswith(prefix.lower()):
                found.setdefault(unquote(name[len(prefix) :]).lower(), []).append(value)
    return tuple((key, tuple(values)) for key, values in found.items())
