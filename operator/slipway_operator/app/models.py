"""One reconcile pass over a ModelDeployment: observe, plan, execute, report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from slipway_crds.conditions import Reason
from slipway_crds.model_deployment import ModelDeployment
from slipway_operator.app.children import ECHO_SECONDS, ChildWriter
from slipway_operator.app.ports import Cluster, World
from slipway_operator.app.provider_keys import ProviderKeys
from slipway_operator.app.rollouts import Rollouts
from slipway_operator.app.runtimes import Runtimes
from slipway_operator.app.sleeping import Sleeping
from slipway_operator.app.startups import Startups
from slipway_operator.app.status_writer import StatusWriter
from slipway_operator.domain.autoscaling import follows_pods
from slipway_operator.domain.errors import NamespaceTerminatingError
from slipway_operator.domain.metrics_api.state import Keda, RegistrationState
from slipway_operator.domain.observed import Observed, StoredObject
from slipway_operator.domain.plan import Plan, PlanSettings, plan, plan_inputs
from slipway_operator.domain.pods import Diagnosis
from slipway_operator.domain.readiness import readiness
from slipway_operator.domain.resources import Ref
from slipway_operator.domain.runtime_state import fleet_of
from slipway_operator.domain.schedules import ScheduleError
from slipway_operator.domain.served_names import name_conflict
from slipway_operator.domain.status import OTHERS_FIELDS, invalid_status, model_status

_FIRST_REPORT_SECONDS: Final = 0.5
_METRICS_API_SECONDS: Final = 15.0
"""Models that autoscalers cannot scale yet are looked at again after so long."""


@dataclass(frozen=True)
class ModelParts:
    """What passes over ModelDeployments find out besides what the watches show."""

    runtimes: Runtimes
    startups: Startups
    sleeping: Sleeping
    rollouts: Rollouts
    provider_keys: ProviderKeys
    metrics_api: Callable[[], RegistrationState | None]
    """Whether autoscalers reach the installation's metrics API; None when it has none."""
    keda: Keda | None
    """None where KEDA does not scale models."""

    def forget(self, key: Ref) -> None:
        """A ModelDeployment is gone."""
        self.runtimes.forget(key)
        self.startups.forget(key)
        self.sleeping.forget(key)
        self.rollouts.forget(key)
        self.provider_keys.follow(key, None)


class ModelReconciler:
    """Makes the cluster what ModelDeployments ask for, and their status what the cluster is."""

    def __init__(
        self,
        world: World,
        cluster: Cluster,
        settings: PlanSettings,
        parts: ModelParts,
        *,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._world = world
        self._settings = settings
        self._parts = parts
        self._now = now
        self._children = ChildWriter(cluster, clock)
        self._status = StatusWriter(cluster, clock, now)
        self._nothing_to_do: dict[Ref, tuple[object, Plan]] = {}

    async def reconcile(self, key: Ref) -> float | None:
        """One pass. Gives the seconds until the next one is wanted, None for when something changes.

        Raises:
            ClusterError: a write failed; the status tells of it, and the pass is to be repeated.
        """
        stored = self._world.object(key)
        if stored is None:
            self._forget(key)
            return None
        try:
            model = ModelDeployment.model_validate({**stored.body, "status": self._live_status(key, stored)})
        except ValidationError as error:
            return await self._status.write(key, stored, invalid_status(stored.body, error, self._now()))
        self._parts.provider_keys.follow(key, model)
        observed = self._observe(key, model)
        try:
            observed, todo = await self._decide(key, observed)
        except ScheduleError as error:
            todo = Plan(problem=Diagnosis(Reason.INVALID_CONFIGURATION, f"spec.autoscaling.warmWindows: {error}"))
        outcome = await self._children.execute(key, observed, todo)
        if any(isinstance(error, NamespaceTerminatingError) for error in outcome.errors):
            # The object is about to go, too; its deletion is the next thing to hear of it.
            return None
        if not outcome.errors and (todo.wakes or (todo.creates and model.status.observed_generation is None)):
            # The cluster's answer to what was begun is the first thing worth reporting.
            self._status.put_off(key, _FIRST_REPORT_SECONDS)
        if not self._parts.provider_keys.is_known(model):
            return None
        problem = _problem(outcome.errors) or todo.problem or self._parts.provider_keys.problem(model)
        state = readiness(observed, problem, changing=outcome.wrote or outcome.awaited)
        put_off = await self._status.write(key, stored, model_status(observed, state, self._now()), model)
        if outcome.errors:
            raise outcome.errors[0]
        return ECHO_SECONDS if outcome.awaited else _sooner(put_off, _again(observed))

    def _observe(self, key: Ref, model: ModelDeployment) -> Observed:
        pods, parts = tuple(self._world.pods(key)), self._parts
        answers = parts.runtimes.of(key, pods)
        return Observed(
            model,
            tuple(self._world.children(key)),
            pods,
            fleet_of(pods, answers),
            metrics_api=parts.metrics_api(),
            keda=parts.keda,
            cold_start=parts.startups.of(key, pods, answers, model.status.cold_start),
            refused=name_conflict(model, self._world.claimants),
        )

    async def _decide(self, key: Ref, observed: Observed) -> tuple[Observed, Plan]:
        """The plan, and what it was made of: also whether to be awake and, of a rollout, how many GPUs are free."""
        observed = await self._parts.sleeping.decide(key, observed)
        todo = self._plan(key, observed)
        observed = await self._parts.rollouts.observe(key, observed, todo.deployment)
        return observed, todo if observed.room is None else plan(observed, self._settings)

    def _forget(self, key: Ref) -> None:
        self._children.forget(key)
        self._status.forget(key)
        self._parts.forget(key)
        self._nothing_to_do.pop(key, None)

    def _live_status(self, key: Ref, stored: StoredObject) -> dict[str, Any]:
        """The status with what this operator wrote last, and with the routers' part as it is."""
        others = {name: value for name, value in stored.status.items() if name in OTHERS_FIELDS}
        return {**self._status.live(key, stored), **others}

    def _plan(self, key: Ref, observed: Observed) -> Plan:
        """The plan, which most passes need not work out: they are about pods, and it does not depend on these."""
        inputs = plan_inputs(observed)
        known = self._nothing_to_do.get(key)
        if known is not None and known[0] == inputs:
            return known[1]
        todo = plan(observed, self._settings)
        if todo.is_empty:
            self._nothing_to_do[key] = (inputs, todo)
        else:
            self._nothing_to_do.pop(key, None)
        return todo


def _again(observed: Observed) -> float | None:
    """When to look again, since no watch tells that autoscalers reach the metrics API, or of time that passes."""
    state = observed.metrics_api
    awaited = state is not None and not state.registered and follows_pods(observed.model)
    return _sooner(_METRICS_API_SECONDS if awaited else None, observed.activation.again)


def _sooner(one: float | None, other: float | None) -> float | None:
    return min((each for each in (one, other) if each is not None), default=None)


def _problem(errors: Sequence[Exception]) -> Diagnosis | None:
    return Diagnosis(Reason.RECONCILE_FAILED, str(errors[0])[:1024]) if errors else None
