"""What runtimes in pods tell of themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from slipway_crds.cold_start import StartPhase
from slipway_crds.engines import EngineType
from slipway_operator.domain.devices import DeviceReport, Fleet
from slipway_operator.domain.pods import Pod, Start

_STARTING: Final = frozenset({StartPhase.FETCHING, StartPhase.LOADING, StartPhase.WARMING})


@dataclass(frozen=True, slots=True)
class RuntimeState:
    """One runtime's answer to ``GET /state``; empty when it gave none."""

    device: DeviceReport = field(default_factory=DeviceReport)
    phase: str = ""
    """``fetching``, ``loading``, ``warming``, ``ready``, ``draining`` or ``failed``."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Seconds in each phase so far."""

    @property
    def starts(self) -> bool:
        """Whether it is still on its way, so that another answer is worth asking for."""
        return self.phase in _STARTING


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of one start of a runtime."""

    state: RuntimeState = field(default_factory=RuntimeState)
    """Its latest word."""
    is_last: bool = False
    """Whether it is not asked again: it told all, or does not answer."""


Answers = Mapping[Start, Answer]


def askable(pods: Sequence[Pod]) -> list[Pod]:
    """The pods whose runtime can be asked: it runs, and it is Slipway's."""
    alive = [pod for pod in pods if (pod.running or pod.ready) and not pod.terminating]
    return [pod for pod in alive if pod.ip and pod.engine != EngineType.TEI]


def fleet_of(pods: Sequence[Pod], answers: Answers) -> Fleet:
    """What the ready ones of ``pods`` compute on."""
    found = [answers[pod.start] for pod in pods if pod.ready and pod.start in answers]
    reports = tuple(answer.state.device for answer in found if answer.is_last)
    return Fleet(reports, pending=len(reports) < len(found))
