"""Asking the API server whether a caller may have what it asks for."""

import json
from collections.abc import Callable
from typing import Any, Final

from slipway_operator.adapters.kube_api import KubeApi

_REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_KEPT_SECONDS: Final = 10.0
_MOST_KEPT: Final = 2048


class KubernetesAccess:
    """``SubjectAccessReview``; answers are kept for 10 s, of which changed rights may therefore need so long."""

    def __init__(self, api: KubeApi, clock: Callable[[], float]) -> None:
        self._api = api
        self._clock = clock
        self._kept: dict[str, tuple[float, str | None]] = {}

    async def refusal(self, review: dict[str, Any]) -> str | None:
        """Why it is refused, maybe in no words; None when it is allowed.

        Raises:
            ClusterError: the API server did not answer.
        """
        key = json.dumps(review["spec"], sort_keys=True)
        kept = self._kept.get(key)
        if kept is not None and self._clock() - kept[0] < _KEPT_SECONDS:
            return kept[1]
        status = (await self._api.request("POST", _REVIEWS, review)).get("status") or {}
        refusal = None if status.get("allowed") is True else str(status.get("reason") or "")
        self._kept.pop(key, None)
        if len(self._kept) >= _MOST_KEPT:
            # Oldest first: a dict keeps the order in which its keys came.
            del self._kept[next(iter(self._kept))]
        self._kept[key] = (self._clock(), refusal)
        return refusal
