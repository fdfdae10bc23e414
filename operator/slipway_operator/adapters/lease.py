"""The Lease that decides which replica acts."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from slipway_operator.adapters.kube_api import KubeApi
from slipway_operator.domain.election import LeaseRecord, LeaseTiming, may_take, released, taken
from slipway_operator.domain.errors import ClusterError, ConflictError, NotFoundError
from slipway_operator.domain.resources import LEASE

_log: Final = logging.getLogger(__name__)


class LeadershipLostError(Exception):
    """Another replica may act now: this process must stop at once."""


class Lease:
    """One replica's view of the Lease."""

    def __init__(
        self,
        api: KubeApi,
        namespace: str,
        name: str,
        identity: str,
        timing: LeaseTiming,
        now: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._timing = timing
        self._now = now
        self._held: dict[str, Any] | None = None
        self._seen: LeaseRecord | None = None
        self._seen_at = 0.0
        self._renewed_at = 0.0

    async def acquire(self) -> None:
        """Wait until this replica holds the Lease."""
        while True:
            if await self._try():
                break
            await asyncio.sleep(self._timing.retry)
        _log.info("holding Lease %s/%s as %s", self._namespace, self._name, self._identity)

    async def hold(self) -> None:
        """Renew until cancelled.

        Raises:
            LeadershipLostError: somebody else has it, or it could not be renewed in time.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._timing.retry)
            deadline = self._renewed_at + self._timing.renew_deadline
            try:
                async with asyncio.timeout_at(deadline):
                    renewed = await self._try()
            except TimeoutError:
                renewed = False
            lost = (self._seen is not None and self._seen.holder != self._identity) or loop.time() >= deadline
            if not renewed and lost:
                raise LeadershipLostError(f"lost Lease {self._namespace}/{self._name}")

    async def release(self) -> None:
        """Give the Lease back, so that another replica need not wait for it to expire."""
        try:
            lease = await self._api.request("GET", self._path())
            record = LeaseRecord.of_spec(lease.get("spec", {}))
            if record.holder == self._identity:
                await self._replace(lease, released(record, self._now()))
        except ClusterError as error:
            _log.warning("cannot give back the Lease: %s", error)

    async def _try(self) -> bool:
        """Take or renew once; False when somebody else has it or the API server does not answer."""
        begun = asyncio.get_running_loop().time()
        try:
            held = await self._take()
        except ConflictError:
            return False
        except ClusterError as error:
            _log.warning("cannot take or renew the Lease: %s", error)
            return False
        if held:
            # Others count from the write, which may lie long before its answer.
            self._renewed_at = begun
        return held

    async def _take(self) -> bool:
        if self._held is not None and self._seen is not None:
            # The holder needs no look before it renews: the write fails if anybody else wrote.
            held, self._held = self._held, None
            with suppress(ConflictError, NotFoundError):
                await self._replace(held, taken(self._seen, self._identity, self._timing, self._now()))
                return True
        try:
            lease = await self._api.request("GET", self._path())
        except NotFoundError:
            await self._create()
            return True
        record = LeaseRecord.of_spec(lease.get("spec", {}))
        clock = asyncio.get_running_loop().time()
        if record != self._seen:
            self._seen, self._seen_at = record, clock
        if not may_take(record, self._identity, clock - self._seen_at):
            return False
        await self._replace(lease, taken(record, self._identity, self._timing, self._now()))
        return True

    async def _create(self) -> None:
        record = taken(None, self._identity, self._timing, self._now())
        lease = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": record.to_spec(),
        }
        self._held = await self._api.request("POST", LEASE.path(self._namespace), lease)
        self._seen = record

    async def _replace(self, lease: dict[str, Any], record: LeaseRecord) -> None:
        # The resourceVersion in ``lease`` makes this fail when somebody else was quicker.
        self._held = await self._api.request("PUT", self._path(), {**lease, "spec": record.to_spec()})
        self._seen, self._seen_at = record, asyncio.get_running_loop().time()

    def _path(self) -> str:
        return LEASE.path(self._namespace, self._name)
