"""What the router can serve: models, where they run, and the store that holds the current picture.

A `Catalogue` is a snapshot that never changes. Whoever knows the world (the Kubernetes adapter, local mode) builds a
new one and puts it into the `CatalogueStore`; requests read ``store.current``.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from slipway_crds.engines import ENGINES, OPERATION_TASKS, EngineType, Operation, Task
from slipway_router.domain.models.provider import Provider
from slipway_router.domain.requests.policy import RequestPolicy


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """A replica that takes requests."""

    host: str
    """IP address or host name, IPv6 without brackets."""
    port: int
    tls: bool = False

    @property
    def address(self) -> str:
        """``host:port`` as in a URL, IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """How requests for a model are forwarded. Times are in seconds."""

    connect_timeout: float = 5.0
    first_byte_timeout: float = 600.0
    idle_timeout: float = 120.0
    retries: int = 2
    """Further tries, on another replica if there is one, while nothing was answered yet."""
    hold_timeout: float = 300.0
    """Longest wait for a sleeping model."""
    hold_length: int = 1000
    """Most requests that wait for a sleeping model."""


DEFAULT_POLICY: Final = CallPolicy()
DEFAULT_REQUESTS: Final = RequestPolicy()


def operations_of(engine: EngineType, tasks: Iterable[Task]) -> frozenset[Operation]:
    """What a model answers: the operations that its engine has and that one of its tasks opens."""
    able = frozenset(tasks)
    return frozenset(operation for operation in ENGINES[engine].operations if OPERATION_TASKS[operation] & able)


@dataclass(frozen=True, slots=True)
class Model:
    """A model callers may ask for, awake or not."""

    name: str
    served_names: tuple[str, ...]
    tasks: frozenset[Task]
    operations: frozenset[Operation] = frozenset()
    """What it answers."""
    adapters: tuple[str, ...] = ()
    """Names under which it serves with one of its LoRA adapters; its engine knows them, too."""
    namespace: str = "default"
    engine: str = ""
    provider: Provider | None = None
    """Who serves it, for an external model."""
    created: int = 0
    """Seconds since 1970; the older of two models with the same served name keeps it."""
    endpoints: tuple[Endpoint, ...] = ()
    wakeable: bool = False
    """Without endpoints: whether a request may wait for one, since something will start it."""
    sleep_after: float | None = None
    """Seconds without a request after which it may lose its last replica; None for a model that never does, or whose
    sleep is nobody's business but its own."""
    last_active: float = 0.0
    """When it was last used, as all routers together know; seconds since 1970."""
    phase: str = ""
    """What the model does now, for people: ``ready``, ``asleep``, ``loading`` …"""
    start_seconds: tuple[tuple[str, float], ...] = ()
    """Where the seconds of its last start went, as far as they are known: ``scheduled``, ``pulled``, ``fetched``,
    ``loaded``, ``warmed`` and ``total``."""
    device: str = ""
    """What it computes on, ``cpu`` or ``cuda``; empty when nobody knows."""
    reason: str = ""
    """Why it cannot serve, as one word; empty when it can or when nobody knows."""
    policy: CallPolicy = DEFAULT_POLICY
    requests: RequestPolicy = DEFAULT_REQUESTS
    key: str = field(init=False)
    """``namespace/name``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"{self.namespace}/{self.name}")

    @property
    def state(self) -> str:
        """``ready``, or the phase that it is in, or ``unavailable``."""
        return "ready" if self.endpoints else self.phase or "unavailable"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All models at one moment."""

    models: tuple[Model, ...] = ()
    """Sorted by age."""
    by_name: Mapping[str, Model] = field(default_factory=lambda: MappingProxyType({}))
    """Model of each served name and of each adapter's name."""

    @classmethod
    def of(cls, models: Iterable[Model]) -> "Catalogue":
        """The catalogue of ``models``. A name that two of them claim belongs to the older one."""
        ordered = tuple(sorted(models, key=lambda model: (model.created, model.namespace, model.name)))
        by_name: dict[str, Model] = {}
        for model in ordered:
            for served in (*model.served_names, *model.adapters):
                by_name.setdefault(served, model)
        return cls(ordered, MappingProxyType(by_name))


class CatalogueStore:
    """The current catalogue, and word of its changes. Belongs to one event loop."""

    def __init__(self, catalogue: Catalogue | None = None) -> None:
        self._current = catalogue or Catalogue()
        self._changed = asyncio.Event()
        self._listeners: list[Callable[[Catalogue], None]] = []

    @property
    def current(self) -> Catalogue:
        """The latest snapshot."""
        return self._current

    def replace(self, catalogue: Catalogue) -> None:
        """Make ``catalogue`` the current one, tell subscribers, and wake everyone in `wait_for_change`."""
        self._current = catalogue
        for listener in self._listeners:
            listener(catalogue)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def subscribe(self, listener: Callable[[Catalogue], None]) -> None:
        """Call ``listener`` now with the current snapshot and again with each later one."""
        self._listeners.append(listener)
        listener(self._current)

    async def wait_for_change(self) -> Catalogue:
        """The next snapshot, once there is one."""
        await self._changed.wait()
        return self._current
