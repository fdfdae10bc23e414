"""The runtime's state as the control port shows it."""

from collections.abc import Callable

from slipway_crds.conditions import Reason
from slipway_runtime.adapters.metrics import runtime_metrics
from slipway_runtime.adapters.nvml import Gpus, NoGpus
from slipway_runtime.adapters.threads import run_in_thread
from slipway_runtime.domain.engine import Engine
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.phases import Phase, Timeline
from slipway_runtime.domain.progress import Progress
from slipway_runtime.domain.state import StateReport


class RuntimeStatus:
    """What the supervisor knows; only the supervisor changes it."""

    def __init__(self, model: str, engine_name: str, clock: Callable[[], float], gpus: Gpus | None = None) -> None:
        self._model = model
        self._engine_name = engine_name
        self._clock = clock
        self._gpus = gpus or NoGpus()
        self._timeline = Timeline(since=clock())
        self._error: tuple[Reason, str] | None = None
        self.progress = Progress()
        self.engine: Engine | None = None

    @property
    def phase(self) -> Phase:
        """The phase now."""
        return self._timeline.phase

    def enter(self, phase: Phase) -> None:
        """Begin ``phase``."""
        self._timeline = self._timeline.enter(phase, self._clock())

    def fail(self, failure: RuntimeFailure) -> None:
        """End in ``failure``."""
        self._error = (failure.reason, failure.message)
        self.enter(Phase.FAILED)

    def phase_seconds(self) -> dict[Phase, float]:
        """Seconds in each phase so far."""
        return self._timeline.seconds(self._clock())

    async def report(self) -> StateReport:
        """The whole state now."""
        return StateReport(
            model=self._model,
            engine=self._engine_name,
            device="cpu" if self.engine is None else self.engine.device,
            device_fallback=None if self.engine is None else self.engine.device_fallback,
            phase=self.phase,
            phase_seconds=self.phase_seconds(),
            bytes_fetched=self.progress.fetched,
            bytes_total=self.progress.total,
            in_flight=await self.engine.in_flight() if self.engine and self._serves() else 0,
            error=self._error,
        )

    async def metrics(self) -> str:
        """The engine's metrics, then the runtime's."""
        engine_metrics = await self.engine.metrics() if self.engine and self._serves() else ""
        # The driver is asked beside the event loop: it may take its time, and probes must not.
        gpus = await run_in_thread(self._gpus.read, name="gpus")
        return engine_metrics + runtime_metrics(await self.report(), gpus)

    def _serves(self) -> bool:
        return self.phase in (Phase.WARMING, Phase.READY, Phase.DRAINING)
