"""Following the starts of models: the moments of each pod, from the first time that it is seen."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from slipway_crds.cold_start import ColdStart
from slipway_operator.domain.cold_start import Moments, Progress, cold_start, latest, observe, shown
from slipway_operator.domain.pods import Pod, Start
from slipway_operator.domain.resources import Ref
from slipway_operator.domain.runtime_state import Answer, Answers


class StartObserver(Protocol):
    """Where the seconds of starts go."""

    def started(self, phase: str, seconds: float) -> None:
        """A pod came up, and ``phase`` of that (``scheduled`` … ``warmed``, ``total``) took so long."""
        ...


class Startups:
    """Remembers the starts of pods that are there, and the last one of each model."""

    def __init__(self, observer: StartObserver, now: Callable[[], datetime]) -> None:
        self._observer = observer
        self._now = now
        self._moments: dict[Ref, dict[Start, Moments]] = {}
        self._counted: dict[Ref, set[Start]] = {}
        self._last: dict[Ref, ColdStart] = {}

    def of(self, key: Ref, pods: Sequence[Pod], answers: Answers, told: ColdStart | None) -> ColdStart | None:
        """What the status is to tell of the model's start; ``told`` is what it tells now."""
        before, now = self._moments.get(key, {}), self._now()
        alive = [pod for pod in pods if not pod.terminating and pod.phase != "Failed"]
        starts = [
            Progress(pod, observe(before.get(pod.start), pod, now), answers.get(pod.start, Answer())) for pod in alive
        ]
        self._moments[key] = {progress.pod.start: progress.moments for progress in starts}
        self._count(key, starts)
        known = self._last.get(key) or (told if told is not None and told.is_finished else None)
        last = latest(starts, known)
        if last is not None:
            self._last[key] = last
        return shown(starts, told, last)

    def forget(self, key: Ref) -> None:
        """The ModelDeployment is gone."""
        for memory in (self._moments, self._counted, self._last):
            memory.pop(key, None)

    def _count(self, key: Ref, starts: Sequence[Progress]) -> None:
        """Tell the observer of every start once, if it was seen from before its end."""
        counted = self._counted.get(key, set())
        done = {progress.pod.start: progress for progress in starts if progress.is_told and progress.moments.watched}
        for start in done.keys() - counted:
            record = cold_start(done[start])
            for phase, seconds in record.seconds.items() if record is not None else ():
                self._observer.started(phase, seconds)
        self._counted[key] = set(done)
