"""Runtimes in pods as the operator asks them, and where it tells how they started."""

from slipway_operator.domain.runtime_state import RuntimeState


class FakeRuntimes:
    """The port ``RuntimeStates``: the runtimes answer what stands in ``answers``, by the pod's address."""

    def __init__(self) -> None:
        self.answers: dict[str, RuntimeState] = {}
        self.asked: list[str] = []
        self.requests: dict[str, int] = {}
        """Requests at work, by the pod's address."""

    async def in_flight(self, ip: str) -> int | None:
        return self.requests.get(ip)

    async def state(self, ip: str) -> RuntimeState | None:
        self.asked.append(ip)
        return self.answers.get(ip)


class FakeStartObserver:
    """The port ``StartObserver``: keeps what it was told."""

    def __init__(self) -> None:
        self.seconds: list[tuple[str, float]] = []

    def started(self, phase: str, seconds: float) -> None:
        self.seconds.append((phase, seconds))
