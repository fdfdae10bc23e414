"""One reconcile pass over an APIKey, and over a ModelRoute."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from slipway_crds.api_key import APIKey
from slipway_crds.conditions import Reason
from slipway_crds.keys import new_key
from slipway_crds.model_route import ModelRoute
from slipway_operator.app.expectations import Expectations
from slipway_operator.app.ports import Cluster, World
from slipway_operator.app.status_writer import StatusWriter
from slipway_operator.domain.api_key import KeyPlan, key_status, plan_key
from slipway_operator.domain.errors import ConflictError, NotOursError, RefusedError
from slipway_operator.domain.model_route import route_status
from slipway_operator.domain.pods import Diagnosis
from slipway_operator.domain.resources import SECRET, Manifest, Ref, ref_of

_ECHO_SECONDS: Final = 30.0
_LOOK_AGAIN_SECONDS: Final = 1.0
_CONFLICT_SECONDS: Final = 30.0
"""Nothing tells when somebody else's Secret goes away: only ours are watched."""


class KeyReconciler:
    """Gives each APIKey its Secret, and publishes the hashes that routers accept."""

    def __init__(
        self, world: World, cluster: Cluster, *, clock: Callable[[], float], now: Callable[[], datetime]
    ) -> None:
        self._world = world
        self._cluster = cluster
        self._now = now
        self._written: Expectations[bool] = Expectations(clock, _ECHO_SECONDS)
        self._status = StatusWriter(cluster, clock, now)

    async def reconcile(self, key: Ref) -> float | None:
        """One pass; gives the seconds until something expires or is due.

        Raises:
            ClusterError: a write failed; the pass is to be repeated.
        """
        stored = self._world.object(key)
        if stored is None:
            self._written.forget(key)
            self._status.forget(key)
            return None
        api_key = APIKey.model_validate({**stored.body, "status": self._status.live(key, stored)})
        if api_key.metadata.deletion_timestamp is not None:
            return None
        secrets = self._world.secrets(key)
        target = Ref(SECRET, api_key.metadata.namespace, api_key.secret_name)
        version = next((secret.resource_version for secret in secrets if secret.ref == target), None)
        self._written.observe(key, {target: version} if version else {})
        if self._written.pending(key, target):
            # A second new key before the first one is seen would make the first one worthless; unless it is gone again.
            if version is not None or await self._cluster.read(target) is not None:
                return _LOOK_AGAIN_SECONDS
            self._written.forget(key)
        todo = plan_key(api_key, secrets, self._now(), new_key)
        try:
            problem = await self._execute(key, version, api_key, todo)
        except RefusedError as error:
            if not todo.exists:
                # There is no key yet, so nothing else would tell. A rotation that fails leaves the old key as it is.
                refused = Diagnosis(Reason.RECONCILE_FAILED, error.message[:1024])
                await self._status.write(key, stored, key_status(api_key, (), refused, self._now()), api_key)
            raise
        status = key_status(api_key, todo.hashes, problem, self._now())
        await self._status.write(key, stored, status, api_key)
        return todo.requeue_after if problem is None else _CONFLICT_SECONDS

    async def _execute(self, key: Ref, version: str | None, api_key: APIKey, todo: KeyPlan) -> Diagnosis | None:
        """What keeps the Secret from being made, if anything."""
        if todo.secret is not None:
            problem = await self._write(key, version, api_key, todo.secret, exists=todo.exists)
            if problem is not None:
                return problem
        # Only now: the key in the old Secret is worth keeping until there is a new one.
        for secret in todo.delete:
            await self._cluster.delete(secret.ref, secret.uid)
        return None

    async def _write(
        self, key: Ref, version: str | None, api_key: APIKey, secret: Manifest, *, exists: bool
    ) -> Diagnosis | None:
        try:
            if exists:
                await self._cluster.apply(secret, force=True)
            else:
                await self._create(secret, api_key.metadata.uid)
        except NotOursError as error:
            return Diagnosis(Reason.SECRET_CONFLICT, str(error))
        self._written.wrote(key, ref_of(secret), version, True)
        return None

    async def _create(self, secret: Manifest, owner_uid: str) -> None:
        try:
            await self._cluster.create(secret)
        except ConflictError:
            ref = ref_of(secret)
            live = await self._cluster.read(ref)
            references = (live or {}).get("metadata", {}).get("ownerReferences", [])
            if live is None or any(reference.get("uid") == owner_uid for reference in references):
                raise  # Our own, not seen yet: the repeated pass will see it.
            raise NotOursError(
                f"Secret {ref.name} exists and does not belong to this APIKey; delete it or set spec.secretName"
            ) from None


class RouteReconciler:
    """Says of each ModelRoute whether routers follow it."""

    def __init__(
        self, world: World, cluster: Cluster, *, clock: Callable[[], float], now: Callable[[], datetime]
    ) -> None:
        self._world = world
        self._now = now
        self._status = StatusWriter(cluster, clock, now)

    async def reconcile(self, key: Ref) -> float | None:
        """One pass.

        Raises:
            ClusterError: the write failed; the pass is to be repeated.
        """
        stored = self._world.object(key)
        if stored is None:
            self._status.forget(key)
            return None
        route = ModelRoute.model_validate({**stored.body, "status": self._status.live(key, stored)})
        return await self._status.write(key, stored, route_status(route, self._now()))
