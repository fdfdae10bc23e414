"""Asking once, when a rollout of a GPU model begins, whether its pods find room beside the old ones."""

import hashlib
import json
from dataclasses import replace

from slipway_operator.app.ports import Gpus
from slipway_operator.domain.free_gpus import gpu_request
from slipway_operator.domain.observed import Observed
from slipway_operator.domain.resources import Manifest, Ref
from slipway_operator.domain.rollout import needs_room


class Rollouts:
    """Keeps each answer until the rollout shows on the watch: from then on, the new pods hold GPUs themselves."""

    def __init__(self, gpus: Gpus) -> None:
        self._gpus = gpus
        self._answers: dict[Ref, tuple[str, bool | None]] = {}

    async def observe(self, key: Ref, observed: Observed, desired: Manifest | None) -> Observed:
        """``observed`` with ``room``, if applying the Deployment ``desired`` begins a rollout that depends on it."""
        request = gpu_request(observed.model)
        if request is None or desired is None or not needs_room(observed, desired):
            self.forget(key)
            return observed
        digest = hashlib.sha256(json.dumps(desired["spec"]["template"], sort_keys=True).encode()).hexdigest()
        known = self._answers.get(key)
        if known is None or known[0] != digest:
            known = self._answers[key] = (digest, await self._gpus.suffice(request))
        return replace(observed, room=known[1])

    def forget(self, key: Ref) -> None:
        """No rollout is about to begin."""
        self._answers.pop(key, None)
