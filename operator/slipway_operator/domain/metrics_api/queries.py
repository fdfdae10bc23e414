"""From a path of the API to the answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from slipway_crds.names import LABEL_MODEL, child_name
from slipway_operator.domain.metrics_api.documents import (
    GROUP,
    KINDS,
    MODEL,
    POD,
    VERSIONS,
    ApiError,
    DescribedKind,
    Document,
    MetricValue,
    group,
    group_list,
    resource_list,
    value_list,
)
from slipway_operator.domain.metrics_api.readings import Reading, Readings
from slipway_operator.domain.metrics_api.selectors import SelectorError, parse_selector
from slipway_operator.domain.metrics_api.table import BY_NAME, MetricDefinition

ALL: Final = "*"
_VALUES: Final = re.compile(
    rf"/apis/{re.escape(GROUP)}/(?P<version>{'|'.join(VERSIONS)})"
    r"/namespaces/(?P<namespace>[^/]+)/(?P<resource>[^/]+)/(?P<name>[^/]+)/(?P<metric>[^/]+)"
)


@dataclass(frozen=True, slots=True)
class ValueQuery:
    """A request for values of one metric."""

    version: str
    namespace: str
    resource: str
    name: str
    """Of an object, or `ALL`."""
    metric: str
    selector: str
    metric_selector: str


def discovery(path: str) -> Document | None:
    """What a path of discovery answers; None for any other path."""
    if path == "/apis":
        return group_list()
    if path == f"/apis/{GROUP}":
        return group()
    version = path.removeprefix(f"/apis/{GROUP}/")
    return resource_list(version) if version in VERSIONS else None


def value_query(raw_path: str, query: Mapping[str, str]) -> ValueQuery | None:
    """The query that a path, still percent-encoded, and its parameters are; None for any other path."""
    found = _VALUES.fullmatch(raw_path)
    if found is None:
        return None
    parts = {name: unquote(part) for name, part in found.groupdict().items()}
    return ValueQuery(
        **parts, selector=query.get("labelSelector", ""), metric_selector=query.get("metricLabelSelector", "")
    )


def answer(query: ValueQuery, readings: Readings, clock: float) -> Document:
    """The ``MetricValueList`` for ``query``; of pods without a value none is told, as autoscalers expect.

    Raises:
        ApiError: there is no such metric or object, or no value of it.
    """
    metric, kind = BY_NAME.get(query.metric), KINDS.get(query.resource)
    if metric is None or kind is None:
        known = f"metrics: {', '.join(BY_NAME)}; of {', '.join(KINDS)}"
        raise ApiError(404, "NotFound", f"no metric {query.metric} of {query.resource} is served; {known}")
    if query.metric_selector:
        raise ApiError(400, "BadRequest", f"{query.metric} has no labels; leave out the selector of the metric")
    found = list(readings.of(metric, query.namespace, clock))
    values = _of_pods(query, found) if kind is POD else _of_model(query, kind, metric, found)
    if not values and query.name != ALL:
        what = f"{kind.kind} {query.namespace}/{query.name}"
        raise ApiError(404, "NotFound", f"{what} has no value of {query.metric} now: its pods are not ready or lack it")
    return value_list(query.version, query.namespace, kind, values)


def _of_pods(query: ValueQuery, readings: Sequence[Reading]) -> list[MetricValue]:
    try:
        matches = parse_selector(query.selector)
    except SelectorError as error:
        raise ApiError(400, "BadRequest", str(error)) from None
    return [
        MetricValue(each.target.name, query.metric, each.value, each.taken, each.window)
        for each in readings
        if query.name in (ALL, each.target.name) and matches(each.target.labels)
    ]


def _of_model(
    query: ValueQuery, kind: DescribedKind, metric: MetricDefinition, readings: Sequence[Reading]
) -> list[MetricValue]:
    """The sum or the mean over the replicas of a model. Its Service and its Deployment have one name."""
    if query.name == ALL:
        raise ApiError(400, "BadRequest", f"name one of the {kind.resource}; only pods can be asked for with {ALL}")
    label = child_name(query.name) if kind is MODEL else query.name
    of_it = [each for each in readings if each.target.labels.get(LABEL_MODEL) == label]
    if not of_it:
        return []
    value = metric.aggregate.of([each.value for each in of_it])
    # As old as the oldest of what it is made of.
    taken, window = min(each.taken for each in of_it), max(each.window for each in of_it)
    return [MetricValue(query.name, query.metric, value, taken, window)]
