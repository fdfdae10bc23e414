"""One reconcile pass over a ModelDeployment: observe, plan, execute, report."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from slipway_crds.conditions import Condition, ConditionType, Reason
from slipway_crds.model_deployment import ModelDeployment, ModelDeploymentStatus
from slipway_operator.app.expectations import Expectations
from slipway_operator.app.ports import Cluster, World
from slipway_operator.domain.errors import ClusterError, ConflictError, InvalidError, NotOursError
from slipway_operator.domain.observed import Observed, StoredObject
from slipway_operator.domain.plan import Apply, Plan, PlanSettings, plan
from slipway_operator.domain.pods import Diagnosis
from slipway_operator.domain.readiness import readiness
from slipway_operator.domain.resources import MODEL_DEPLOYMENT, Ref
from slipway_operator.domain.status import differs, invalid_status, model_status, transition_event

_log: Final = logging.getLogger(__name__)
_ECHO_SECONDS: Final = 2.0
_FIRST_REPORT_SECONDS: Final = 0.5
_HANDOVER_MANAGER: Final = "slipway-operator-handover"


class ModelReconciler:
    """Makes the cluster what ModelDeployments ask for, and their status what the cluster is."""

    def __init__(
        self,
        world: World,
        cluster: Cluster,
        settings: PlanSettings,
        *,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._world = world
        self._cluster = cluster
        self._settings = settings
        self._now = now
        self._applied: Expectations[str] = Expectations(clock, _ECHO_SECONDS)
        self._reported: Expectations[Mapping[str, Any]] = Expectations(clock, _ECHO_SECONDS)

    async def reconcile(self, key: Ref) -> float | None:
        """One pass. Gives the seconds until the next one is wanted, None for when something changes.

        Raises:
            ClusterError: a write failed; the status tells of it, and the pass is to be repeated.
        """
        stored = self._world.object(key)
        if stored is None:
            self._applied.forget(key)
            self._reported.forget(key)
            return None
        self._reported.observe(key, {key: stored.resource_version})
        status = self._reported.pending(key, key) or stored.status
        try:
            model = ModelDeployment.model_validate({**stored.body, "status": status})
        except ValidationError as error:
            await self._write_status(key, stored, status, invalid_status(stored.body, error, self._now()))
            return None
        observed = Observed(model, tuple(self._world.children(key)), tuple(self._world.pods(key)))
        self._applied.observe(key, {child.ref: child.resource_version for child in observed.children})
        todo = plan(observed, self._settings)
        awaited, errors = await self._execute(key, observed, todo)
        if todo.creates and not errors and model.status.observed_generation is None:
            # The cluster's answer to the new children is the first thing worth reporting.
            return _FIRST_REPORT_SECONDS
        await self._report(key, stored, observed, _problem(errors) or todo.problem)
        if errors:
            raise errors[0]
        return _ECHO_SECONDS if awaited else None

    async def _execute(self, key: Ref, observed: Observed, todo: Plan) -> tuple[bool, list[Exception]]:
        """Whether writes of an earlier pass are still to be seen, and what went wrong."""
        awaited = False
        for stage in todo.stages:
            due = [apply for apply in stage if self._applied.pending(key, apply.ref) != apply.hash]
            awaited = awaited or len(due) < len(stage)
            errors = await _all(*(self._apply(key, observed, apply) for apply in due))
            if errors:
                return awaited, errors
        return awaited, await _all(*(self._cluster.delete(child.ref, child.uid) for child in todo.delete))

    async def _apply(self, key: Ref, observed: Observed, apply: Apply) -> None:
        if apply.handover is not None:
            await self._cluster.apply(apply.handover, force=True, field_manager=_HANDOVER_MANAGER)
        try:
            await self._cluster.apply(apply.manifest, force=apply.exists)
        except ConflictError:
            if apply.exists:
                raise
            await self._apply_over_own(apply, observed.model.metadata.uid)
        except InvalidError:
            if not apply.repairs:
                raise
            # An edit by hand may not merge with what is ours: a port under another number, for one, leaves two.
            await self._cluster.overwrite(apply.manifest)
        self._applied.wrote(key, apply.ref, _version(observed, apply.ref), apply.hash)

    async def _apply_over_own(self, apply: Apply, owner_uid: str) -> None:
        """Apply onto an object that exists although the watches do not show it, if it is ours."""
        live = await self._cluster.read(apply.ref)
        references = (live or {}).get("metadata", {}).get("ownerReferences", [])
        if live is not None and not any(reference.get("uid") == owner_uid for reference in references):
            raise NotOursError(
                f"{apply.ref.resource.kind} {apply.ref.name} exists and does not belong to this ModelDeployment; "
                "delete it or rename the ModelDeployment"
            )
        await self._cluster.apply(apply.manifest, force=True)

    async def _report(self, key: Ref, stored: StoredObject, observed: Observed, problem: Diagnosis | None) -> None:
        model = observed.model
        status = model_status(observed, readiness(observed, problem), self._now())
        live = self._reported.pending(key, key) or stored.status
        if not await self._write_status(key, stored, live, status):
            return
        old: Sequence[Condition] = model.status.conditions or ()
        new: Sequence[Condition] = ModelDeploymentStatus.model_validate(status).conditions or ()
        event = transition_event(model, ConditionType.READY, old, new, self._now())
        if event is not None:
            await post_quietly(self._cluster, event)

    async def _write_status(
        self, key: Ref, stored: StoredObject, live: Mapping[str, Any], status: dict[str, Any]
    ) -> bool:
        if not differs(status, live):
            return False
        metadata = stored.body["metadata"]
        await self._cluster.apply_status(Ref(MODEL_DEPLOYMENT, metadata["namespace"], metadata["name"]), status)
        self._reported.wrote(key, key, stored.resource_version, status)
        return True


async def post_quietly(cluster: Cluster, event: dict[str, Any]) -> None:
    """Post an Event; a failure costs the Event only."""
    try:
        await cluster.post_event(event)
    except ClusterError as error:
        _log.warning("cannot post the Event %s: %s", event["reason"], error)


async def _all(*writes: Any) -> list[Exception]:
    """Run all, and give the errors of those that the API server refused."""
    results = await asyncio.gather(*writes, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, (ClusterError, NotOursError)):
            raise result
    return [result for result in results if isinstance(result, Exception)]


def _problem(errors: Sequence[Exception]) -> Diagnosis | None:
    return Diagnosis(Reason.RECONCILE_FAILED, str(errors[0])[:1024]) if errors else None


def _version(observed: Observed, ref: Ref) -> str | None:
    return next((child.resource_version for child in observed.children if child.ref == ref), None)
