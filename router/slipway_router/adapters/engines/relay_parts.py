"""What every relay works with."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from slipway_router.adapters.engines.hearing_out import UnderWay
from slipway_router.adapters.engines.holding import Holder
from slipway_router.adapters.engines.pool import EnginePools
from slipway_router.domain.errors import Problem
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.models.balancing import Balancer
from slipway_router.domain.requests.bodies import Bodies


@dataclass(frozen=True, slots=True)
class RelayParts:
    """The parts of a router that carry requests."""

    loop: asyncio.AbstractEventLoop
    clock: Callable[[], float]
    balancer: Balancer
    pools: EnginePools
    holder: Holder
    bodies: Bodies
    caller_timeout: float
    """Seconds that a caller may stop reading while an answer waits for it."""
    on_end: Callable[[Exchange], None]
    """Called once with each exchange, when its answer is out or its caller gone."""
    withdrawn: Callable[[str], Problem | None] = lambda credential: None
    """Why requests with the key of this hash must end, if they must."""
    active: UnderWay = field(default_factory=UnderWay)
