"""What routers tell of the pods they send requests to, for pods that cannot tell it themselves."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from slipway_crds.engines import EngineType
from slipway_crds.names import LABEL_ENGINE
from slipway_operator.domain.metrics_api.exposition import Series
from slipway_operator.domain.metrics_api.measures import Snapshot
from slipway_operator.domain.metrics_api.readings import Target

SERIES: Final = "slipway_router_replica_in_flight_requests"
"""The routers' gauge, with the replica's address as the label ``endpoint``."""
IN_FLIGHT: Final = "slipway_runtime_in_flight"
"""What a runtime of Slipway's would tell by this name."""
_SAMPLE: Final = re.compile(SERIES + r'\{[^}]*\bendpoint="\[?(?P<host>[0-9a-fA-F.:]+?)\]?:\d+"[^}]*\} (?P<value>\S+)')


def is_told_by_routers(target: Target) -> bool:
    """Whether the pod's engine has no count of its requests: text-embeddings-inference counts inputs."""
    return target.labels.get(LABEL_ENGINE) == EngineType.TEI


def requests_by_host(texts: Iterable[str]) -> Mapping[str, float]:
    """Requests at work by the address of their pod, of the metrics of all routers; one without any is left out."""
    found: defaultdict[str, float] = defaultdict(float)
    for text in texts:
        for line in text.splitlines():
            sample = _SAMPLE.fullmatch(line) if line.startswith(SERIES) else None
            if sample is not None:
                found[sample["host"]] += _number(sample["value"])
    return found


def with_requests(snapshot: Snapshot | None, requests: float) -> Snapshot:
    """What a pod told, and how many requests routers have there."""
    return {**(snapshot or {}), IN_FLIGHT: Series(requests, 1)}


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0
