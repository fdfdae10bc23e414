"""Carrying out a plan: the children of a ModelDeployment are applied and deleted."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from slipway_operator.app.expectations import Expectations
from slipway_operator.app.ports import Cluster
from slipway_operator.domain.errors import ClusterError, ConflictError, InvalidError, NotOursError
from slipway_operator.domain.observed import Observed
from slipway_operator.domain.plan import Apply, Plan, not_ours_message
from slipway_operator.domain.resources import Ref

ECHO_SECONDS: Final = 1.0
"""How long a write may take to show on the watch before it is repeated."""
_HANDOVER_MANAGER: Final = "slipway-operator-handover"


@dataclass(frozen=True)
class Outcome:
    """How a plan went."""

    wrote: bool
    """Whether this pass changed children."""
    awaited: bool
    """Whether writes of an earlier pass are still to be seen."""
    errors: Sequence[Exception]


class ChildWriter:
    """Writes children, and none of them twice."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._applied: Expectations[str] = Expectations(clock, ECHO_SECONDS)
        # Applies that changed nothing: the API server stores some field in other words than the manifest has it in.
        self._vain: Expectations[str] = Expectations(clock, math.inf)

    async def execute(self, key: Ref, observed: Observed, todo: Plan) -> Outcome:
        """Apply stage by stage, then delete; a stage with errors is the last one."""
        versions = {child.ref: child.resource_version for child in observed.children}
        self._applied.observe(key, versions)
        self._vain.observe(key, versions)
        wrote, awaited = bool(todo.delete), False
        for stage in todo.stages:
            news = [apply for apply in stage if self._vain.pending(key, apply.ref) != apply.hash]
            due = [apply for apply in news if self._applied.pending(key, apply.ref) != apply.hash]
            wrote, awaited = wrote or bool(due), awaited or len(due) < len(news)
            uid = observed.model.metadata.uid
            errors = await _all(self._apply(key, uid, versions.get(apply.ref), apply) for apply in due)
            if errors:
                return Outcome(wrote, awaited, errors)
        errors = await _all(self._cluster.delete(child.ref, child.uid) for child in todo.delete)
        return Outcome(wrote, awaited, errors)

    def forget(self, key: Ref) -> None:
        """The ModelDeployment is gone."""
        self._applied.forget(key)
        self._vain.forget(key)

    async def _apply(self, key: Ref, owner_uid: str, seen: str | None, apply: Apply) -> None:
        if apply.handover is not None:
            await self._cluster.apply(apply.handover, force=True, field_manager=_HANDOVER_MANAGER)
        version = await self._write(apply, owner_uid)
        written = self._vain if version == seen else self._applied
        written.wrote(key, apply.ref, seen, apply.hash)

    async def _write(self, apply: Apply, owner_uid: str) -> str:
        """Apply, and give the object's new ``resourceVersion``."""
        if apply.merge:
            return await self._cluster.overwrite(apply.manifest)
        try:
            return await self._cluster.apply(apply.manifest, force=apply.exists)
        except ConflictError:
            if apply.exists:
                raise
            return await self._apply_over_own(apply, owner_uid)
        except InvalidError:
            if not apply.repairs:
                raise
            # An edit by hand may not merge with what is ours: a port under another number, for one, leaves two.
            return await self._cluster.overwrite(apply.manifest)

    async def _apply_over_own(self, apply: Apply, owner_uid: str) -> str:
        """Apply onto an object that exists although the watches do not show it, if it is ours."""
        live = await self._cluster.read(apply.ref)
        references = (live or {}).get("metadata", {}).get("ownerReferences", [])
        if live is not None and not any(reference.get("uid") == owner_uid for reference in references):
            raise NotOursError(not_ours_message(apply.ref))
        return await self._cluster.apply(apply.manifest, force=True)


async def _all(writes: Any) -> list[Exception]:
    """Run all at once, and give the errors of those that were refused."""
    pending: list[Awaitable[Any]] = list(writes)
    results = await asyncio.gather(*pending, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, (ClusterError, NotOursError)):
            raise result
    return [result for result in results if isinstance(result, Exception)]
