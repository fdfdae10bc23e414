"""Whether a model that may sleep is to be awake: a pure function of what was observed and of the time.

Nothing is remembered. What routers saw stands in ``status.demand``, that the model sleeps in the Deployment's
``spec.replicas``, since when in ``status.asleepSince``: whoever reconciles next decides the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from slipway_crds.conditions import ConditionType, Reason
from slipway_crds.duration import parse_duration
from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.serving_spec import Autoscaling, ScaleToZero
from slipway_operator.domain.pods import Pod
from slipway_operator.domain.schedules import Warmth, warmth

WAITING_SECONDS: Final = 60.0
"""How long a router's word counts that requests wait; it repeats it every few seconds while they do."""


@dataclass(frozen=True)
class Activation:
    """What the time and the demand ask for."""

    awake: bool = True
    min_replicas: int = 0
    """Of the warm windows that are open."""
    asleep_since: datetime | None = None
    """Since when the model sleeps; None while it is awake."""
    falls_asleep: bool = False
    """Whether it has replicas that are to go now, since nobody asked for long enough."""
    again: float | None = None
    """Seconds after which the answer may be another one although nothing was written; None for never."""


def activation(
    model: ModelDeployment, replicas: int | None, pods: Sequence[Pod], now: datetime, busy_at: datetime | None = None
) -> Activation:
    """``replicas`` is what the model's Deployment asks for, None without one; ``busy_at`` is when the pods were last
    found at work.

    Raises:
        ScheduleError: a warm window cannot be understood.
    """
    scaling = model.spec.autoscaling
    if scaling is None:
        return Activation()
    warm = warmth(scaling.warm_windows or (), now)
    by_schedule = Activation(min_replicas=warm.min_replicas, again=warm.changes_in)
    if scaling.scale_to_zero is None or model.spec.lifecycle.suspend or warm.min_replicas:
        return by_schedule
    if _is_asleep(model, replicas, scaling):
        since = model.status.asleep_since or now
        if _is_wanted(model, scaling.scale_to_zero, now):
            return by_schedule
        return Activation(awake=False, asleep_since=since, again=warm.changes_in)
    return _until_idle(model, scaling.scale_to_zero, pods, now, busy_at, warm)


def may_sleep(model: ModelDeployment) -> bool:
    """Whether it has no replicas while nobody asks."""
    return model.spec.autoscaling is not None and model.spec.autoscaling.scale_to_zero is not None


def as_scheduled(model: ModelDeployment, state: Activation) -> ModelDeployment:
    """``model`` with the fewest replicas that the open warm windows ask for."""
    scaling = model.spec.autoscaling
    if scaling is None or state.min_replicas <= scaling.min_replicas:
        return model
    raised = scaling.model_copy(update={"min_replicas": state.min_replicas})
    return model.model_copy(update={"spec": model.spec.model_copy(update={"autoscaling": raised})})


def kept_awake(state: Activation, seconds: float) -> Activation:
    """Not asleep after all, since its pods turned out to be at work; to be looked at again after ``seconds``."""
    return replace(state, awake=True, asleep_since=None, falls_asleep=False, again=seconds)


def _is_asleep(model: ModelDeployment, replicas: int | None, scaling: Autoscaling) -> bool:
    """Whether it has no replicas now; a new model, or one that was suspended, begins as ``minReplicas`` says."""
    if replicas is None or _was_suspended(model):
        return scaling.min_replicas == 0
    return replicas == 0


def _was_suspended(model: ModelDeployment) -> bool:
    ready = (condition for condition in model.status.conditions or () if condition.type == ConditionType.READY)
    return any(condition.reason == Reason.SUSPENDED for condition in ready)


def _is_wanted(model: ModelDeployment, scale: ScaleToZero, now: datetime) -> bool:
    """Whether somebody has asked for a sleeping model since it fell asleep.

    Who waits counts for himself: the clocks of router and operator may differ by more than he has waited.
    """
    if _somebody_waits(model, now):
        return True
    last = _last_active(model)
    if last is None:
        return False
    since = model.status.asleep_since or now - timedelta(seconds=parse_duration(scale.idle_after))
    return last > since


def _until_idle(
    model: ModelDeployment,
    scale: ScaleToZero,
    pods: Sequence[Pod],
    now: datetime,
    busy_at: datetime | None,
    warm: Warmth,
) -> Activation:
    """Awake: for how long still? Loading is no idleness: time counts from when a pod was ready."""
    ready = [pod.ready_at for pod in pods if pod.ready and not pod.terminating and pod.ready_at is not None]
    if not ready:
        return Activation(again=warm.changes_in)
    marks = (min(ready), _last_active(model), busy_at)
    idle = (now - max(mark for mark in marks if mark is not None)).total_seconds()
    left = parse_duration(scale.idle_after) - idle
    if _somebody_waits(model, now):
        left = max(left, WAITING_SECONDS)
    if left <= 0:
        return Activation(
            awake=False, asleep_since=model.status.asleep_since or now, falls_asleep=True, again=warm.changes_in
        )
    return Activation(again=left if warm.changes_in is None else min(left, warm.changes_in))


def _somebody_waits(model: ModelDeployment, now: datetime) -> bool:
    demand, last = model.status.demand, _last_active(model)
    return bool(demand and demand.waiting) and last is not None and now - last < timedelta(seconds=WAITING_SECONDS)


def _last_active(model: ModelDeployment) -> datetime | None:
    return model.status.demand.last_active_at if model.status.demand is not None else None
