"""The JSON objects of the API.

Sources: k8s.io/metrics/pkg/apis/custom_metrics (v1beta1, v1beta2), k8s.io/apimachinery/pkg/apis/meta/v1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from slipway_operator.domain.metrics_api.table import METRICS

GROUP: Final = "custom.metrics.k8s.io"
VERSIONS: Final = ("v1beta2", "v1beta1")
"""The preferred one first."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DescribedKind:
    """A kind of object that metrics are told of."""

    resource: str
    """As it stands in paths: the plural, with its group unless that is the core group."""
    kind: str
    api_version: str


POD: Final = DescribedKind("pods", "Pod", "v1")
SERVICE: Final = DescribedKind("services", "Service", "v1")
DEPLOYMENT: Final = DescribedKind("deployments.apps", "Deployment", "apps/v1")
MODEL: Final = DescribedKind("modeldeployments.slipway.dev", "ModelDeployment", "slipway.dev/v1alpha1")
KINDS: Final = {kind.resource: kind for kind in (POD, SERVICE, DEPLOYMENT, MODEL)}


@dataclass(frozen=True, slots=True)
class MetricValue:
    """One item of a list: a metric of an object."""

    name: str
    metric: str
    value: float
    taken: datetime
    window: float
    """Seconds; 0 when it is of a moment."""


class ApiError(Exception):
    """A request that is answered with a ``metav1.Status``."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        """One of k8s.io/apimachinery's ``StatusReason``."""
        self.message = message


def status(error: ApiError) -> Document:
    """The ``metav1.Status`` of a failure."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": error.message,
        "reason": error.reason,
        "code": error.code,
    }


def quantity(value: float) -> str:
    """A Kubernetes quantity in thousandths, or a whole number where there are none: ``1250m``, ``3``."""
    if not math.isfinite(value):
        raise ValueError(f"no quantity: {value}")
    thousandths = round(value * 1000)
    whole, rest = divmod(thousandths, 1000)
    return str(whole) if rest == 0 else f"{thousandths}m"


def value_list(version: str, namespace: str, kind: DescribedKind, values: Sequence[MetricValue]) -> Document:
    """The ``MetricValueList`` of objects of one kind."""
    items = [_item(version, namespace, kind, value) for value in values]
    return {"kind": "MetricValueList", "apiVersion": f"{GROUP}/{version}", "metadata": {}, "items": items}


def _item(version: str, namespace: str, kind: DescribedKind, value: MetricValue) -> Document:
    described = {"kind": kind.kind, "namespace": namespace, "name": value.name, "apiVersion": kind.api_version}
    name: Document = {"metricName": value.metric} if version == "v1beta1" else {"metric": {"name": value.metric}}
    item = {"describedObject": described, **name, "timestamp": _timestamp(value.taken), "value": quantity(value.value)}
    if value.window >= 1:
        # In v1beta1 the field is called so, too.
        item["windowSeconds"] = round(value.window)
    return item


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def group_list() -> Document:
    """What ``/apis`` answers."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group()]}


def group() -> Document:
    """What ``/apis/custom.metrics.k8s.io`` answers."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_group()}


def _group() -> Document:
    versions = [{"groupVersion": f"{GROUP}/{version}", "version": version} for version in VERSIONS]
    return {"name": GROUP, "versions": versions, "preferredVersion": versions[0]}


def resource_list(version: str) -> Document:
    """What ``/apis/custom.metrics.k8s.io/VERSION`` answers: every metric of every kind."""
    resources = [
        {
            "name": f"{kind.resource}/{metric.name}",
            "singularName": "",
            "namespaced": True,
            "kind": "MetricValueList",
            "verbs": ["get"],
        }
        for kind in KINDS.values()
        for metric in METRICS
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/{version}", "resources": resources}
