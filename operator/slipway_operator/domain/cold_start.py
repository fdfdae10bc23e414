"""Where the time of a model's start goes, from what its pods and their runtimes tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from slipway_crds.cold_start import ColdStart, StartPhase
from slipway_crds.engines import EngineType
from slipway_operator.domain.pods import Pod
from slipway_operator.domain.runtime_state import Answer, RuntimeState

_ORDER: Final = tuple(StartPhase)
_PHASES: Final = {"loading": StartPhase.LOADING, "warming": StartPhase.WARMING, "ready": StartPhase.WARMING}
"""By the runtime's word. One that has not answered yet is about to fetch; one that is ready waits to be found so."""
_SECOND: Final = timedelta(seconds=1)

WORDS: Final[Mapping[str, str]] = {
    StartPhase.SCHEDULING: "waiting for a node",
    StartPhase.PULLING: "the container is being made",
    StartPhase.FETCHING: "fetching the weights",
    StartPhase.LOADING: "loading the model",
    StartPhase.WARMING: "warming up",
}


@dataclass(frozen=True, slots=True)
class Moments:
    """When a start reached what. None: not yet."""

    created: datetime | None = None
    scheduled: datetime | None = None
    running: datetime | None = None
    ready: datetime | None = None
    watched: bool = False
    """Whether it was seen before it was ready."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One start of a pod's container."""

    pod: Pod
    moments: Moments
    answer: Answer
    """Of its runtime."""

    @property
    def is_told(self) -> bool:
        """Whether all that will ever be known of it is known."""
        return self.moments.ready is not None and (self.answer.is_last or self.pod.engine == EngineType.TEI)


def observe(before: Moments | None, pod: Pod, now: datetime) -> Moments:
    """The moments of a pod that is as it is ``now``.

    Kubernetes tells whole seconds; when a change was first seen says more, within that second.
    """
    known = before or Moments(watched=not pod.ready)
    return Moments(
        created=known.created or _narrowed(_beginning(pod), now),
        scheduled=known.scheduled or _narrowed(pod.scheduled_at, now),
        running=known.running or _narrowed(pod.started_at, now),
        ready=known.ready or (_narrowed(pod.ready_at, now) if pod.ready else None),
        watched=known.watched,
    )


def phase_of(progress: Progress) -> StartPhase | None:
    """The phase of a start; None when it is over, one way or the other."""
    pod, state = progress.pod, progress.answer.state
    has_ended = pod.terminated is not None or (pod.restarts > 0 and not pod.running)
    if progress.moments.ready is not None or has_ended or state.phase in ("draining", "failed"):
        return None
    if not pod.running:
        return StartPhase.PULLING if pod.scheduled_at else StartPhase.SCHEDULING
    if pod.engine == EngineType.TEI:
        return StartPhase.LOADING
    return _PHASES.get(state.phase, StartPhase.FETCHING)


def cold_start(progress: Progress) -> ColdStart | None:
    """A start as the status tells it; None while nothing is known of its beginning."""
    pod, moments = progress.pod, progress.moments
    began = _beginning(pod)
    if moments.created is None or began is None:
        return None
    loaded = _passed(progress.answer.state, StartPhase.LOADING)
    return ColdStart(
        phase=phase_of(progress),
        started_at=began,
        scheduled_seconds=None if pod.restarts else _between(moments.created, moments.scheduled),
        pulled_seconds=None if pod.restarts else _between(moments.scheduled, moments.running),
        fetched_seconds=_passed(progress.answer.state, StartPhase.FETCHING),
        loaded_seconds=_between(moments.running, moments.ready) if pod.engine == EngineType.TEI else loaded,
        warmed_seconds=_passed(progress.answer.state, StartPhase.WARMING),
        total_seconds=_between(moments.created, moments.ready),
    )


def shown(starts: Sequence[Progress], told: ColdStart | None, last: ColdStart | None) -> ColdStart | None:
    """What the status is to tell, of what it tells now and of the latest start that came to its end.

    What is told already stays as it is: an operator that has just begun knows the same moments less well.
    """
    if any(progress.pod.ready for progress in starts):
        if last is None and told is not None:
            return told.model_copy(update={"phase": None})  # The rest is still being asked for.
        return last
    going = [progress for progress in starts if phase_of(progress) is not None]
    furthest = cold_start(max(going, key=_advance)) if going else None
    if furthest is None:
        return last
    return told if told is not None and _has_told(told, furthest) else furthest


def latest(starts: Sequence[Progress], last: ColdStart | None) -> ColdStart | None:
    """The start that began last of all that came to their end; ``last`` is the one known so far."""
    for progress in starts:
        start = cold_start(progress) if progress.is_told else None
        if start is not None and (last is None or start.started_at > last.started_at):
            last = start
    return last


def _advance(progress: Progress) -> tuple[int, str]:
    """How far a start is; pods that are equally far are in an order that stays."""
    phase = phase_of(progress)
    return (_ORDER.index(phase) if phase is not None else -1), progress.pod.name


def _has_told(told: ColdStart, start: ColdStart) -> bool:
    """Whether ``told`` is of the same start and as far; a runtime that has not answered yet takes nothing back."""
    phases = [_ORDER.index(StartPhase(phase)) for phase in (told.phase, start.phase) if phase in _ORDER]
    return told.started_at == start.started_at and len(phases) == 2 and phases[0] >= phases[1]


def _passed(state: RuntimeState, phase: StartPhase) -> float | None:
    """Seconds of a phase that the runtime has left behind."""
    seconds = state.seconds.get(phase)
    return None if seconds is None or state.phase == phase else round(seconds, 2)


def _between(begin: datetime | None, end: datetime | None) -> float | None:
    if begin is None or end is None:
        return None
    # Clocks of nodes differ.
    return max(0.0, round((end - begin).total_seconds(), 2))


def _beginning(pod: Pod) -> datetime | None:
    if pod.restarts:
        return pod.started_at
    return datetime.fromisoformat(pod.created) if pod.created else None


def _narrowed(moment: datetime | None, now: datetime) -> datetime | None:
    return min(max(now, moment), moment + _SECOND) if moment is not None else None
