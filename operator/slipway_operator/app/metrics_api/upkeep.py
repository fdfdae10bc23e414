"""Keeping the metrics API's certificate, its trust and its registration in order."""

import asyncio
import logging
import ssl
from typing import Final, Protocol

from slipway_operator.domain.errors import ClusterError
from slipway_operator.domain.metrics_api.identity import FrontProxy, FrontProxyError
from slipway_operator.domain.metrics_api.serving import ServingIdentity, ServingPair
from slipway_operator.domain.metrics_api.state import SETTING_UP, RegistrationState

_log: Final = logging.getLogger(__name__)
INTERVAL_SECONDS: Final = 30.0
_AGAIN_SECONDS: Final = 2.0
"""After a failure."""


class Registration(Protocol):
    """What the metrics API keeps in the cluster. Every method raises `ClusterError` when the API server refuses."""

    async def front_proxy(self) -> FrontProxy:
        """The front proxy that the API server announces; raises `FrontProxyError` when it cannot be used."""
        ...

    async def identity(self) -> ServingIdentity:
        """The serving certificate, made or renewed if need be."""
        ...

    async def register(self, identity: ServingIdentity) -> tuple[str, ...]:
        """Register, unless somebody else serves the API: then the names of their APIServices."""
        ...


class Exchangeable(Protocol):
    """A TLS server whose certificate and trust can change."""

    def exchange(self, pair: ServingPair, client_ca: str) -> None:
        """Use these for new connections; raises `ssl.SSLError` when they are none."""
        ...


class Upkeep:
    """One replica's upkeep."""

    def __init__(self, registration: Registration) -> None:
        self._registration = registration
        self._front_proxy: FrontProxy | None = None
        self.state = SETTING_UP
        """The newest state."""

    @property
    def front_proxy(self) -> FrontProxy:
        """The newest front proxy; there is one once `prepare` is done."""
        if self._front_proxy is None:
            raise RuntimeError("prepare() first")
        return self._front_proxy

    async def prepare(self) -> ServingPair:
        """Wait for what a server needs before it can listen: a certificate, and whom to trust."""
        while True:
            try:
                self._front_proxy = await self._registration.front_proxy()
                return (await self._registration.identity()).pair
            except (ClusterError, FrontProxyError) as error:
                self._failed(error)
            await asyncio.sleep(_AGAIN_SECONDS)

    async def run(self, tls: Exchangeable, interval: float = INTERVAL_SECONDS) -> None:
        """Look after everything, until cancelled. Begin once the server listens: it is registered then."""
        while True:
            done = await self.look(tls)
            await asyncio.sleep(interval if done else min(interval, _AGAIN_SECONDS))

    async def look(self, tls: Exchangeable) -> bool:
        """Put everything in order once; whether that worked."""
        try:
            front_proxy = await self._registration.front_proxy()
            identity = await self._registration.identity()
            # First the trust, then the certificate that needs it.
            others = await self._registration.register(identity)
            tls.exchange(identity.pair, front_proxy.ca)
        except (ClusterError, FrontProxyError, ssl.SSLError) as error:
            self._failed(error)
            return False
        self._front_proxy = front_proxy
        self._tell(others)
        return True

    def _tell(self, others: tuple[str, ...]) -> None:
        if others:
            message = f"somebody else serves custom.metrics.k8s.io by APIService {', '.join(others)}; it is left alone"
            state = RegistrationState(False, message, others)
        else:
            state = RegistrationState(True, "autoscalers can follow the metrics of models")
        if state != self.state:
            _log.log(logging.WARNING if others else logging.INFO, "metrics API: %s", state.message)
        self.state = state

    def _failed(self, error: Exception) -> None:
        message = f"the metrics API cannot be set up: {error}"
        if message != self.state.message:
            _log.warning("%s", message)
        # What is registered stays so when a later look fails.
        self.state = RegistrationState(bool(self.state.registered), message, self.state.foreign)
