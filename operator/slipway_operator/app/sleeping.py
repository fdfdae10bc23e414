"""Deciding whether a model is to be awake, with a last look at its pods before it falls asleep."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from slipway_operator.app.ports import RuntimeStates
from slipway_operator.domain.activation import activation, kept_awake
from slipway_operator.domain.observed import Observed
from slipway_operator.domain.resources import Ref
from slipway_operator.domain.runtime_state import askable

_AGAIN_SECONDS: Final = 5.0


class Sleeping:
    """Remembers which pods were found at work although no router told of requests: callers may go past routers."""

    def __init__(self, runtimes: RuntimeStates, now: Callable[[], datetime]) -> None:
        self._runtimes = runtimes
        self._now = now
        self._busy_at: dict[Ref, datetime] = {}

    async def decide(self, key: Ref, observed: Observed) -> Observed:
        """``observed`` with the decision in it.

        Raises:
            ScheduleError: a warm window cannot be understood.
        """
        busy_at = self._busy_at.get(key)
        decision = activation(observed.model, observed.replicas, observed.pods, self._now(), busy_at)
        if decision.falls_asleep and await self._is_busy(observed):
            self._busy_at[key] = self._now()
            decision = kept_awake(decision, _AGAIN_SECONDS)
        elif not decision.awake:
            self._busy_at.pop(key, None)
        return replace(observed, activation=decision)

    def forget(self, key: Ref) -> None:
        """The ModelDeployment is gone."""
        self._busy_at.pop(key, None)

    async def _is_busy(self, observed: Observed) -> bool:
        ready = [pod for pod in askable(observed.pods) if pod.ready]
        answers = await asyncio.gather(*(self._runtimes.in_flight(pod.ip) for pod in ready))
        return any(answers)
