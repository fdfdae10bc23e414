"""One reconcile pass over the Secret with the keys of all providers."""

from collections.abc import Callable, Mapping
from typing import Final

from pydantic import ValidationError

from slipway_crds.conditions import Reason
from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import child_name
from slipway_operator.app.ports import Cluster, Routers, World
from slipway_operator.domain.errors import ClusterError, RefusedError
from slipway_operator.domain.external import (
    FIRST_LOOK_SECONDS,
    LOOK_AGAIN_SECONDS,
    ProviderKey,
    provider_key_of,
    provider_keys_secret,
    read_key,
)
from slipway_operator.domain.pods import Diagnosis
from slipway_operator.domain.resources import MODEL_DEPLOYMENT, Ref

_GATHER_SECONDS: Final = 0.1


class ProviderKeys:
    """Copies the keys of external models to where routers mount them. The Secret has no other writer."""

    def __init__(
        self, world: World, cluster: Cluster, routers: Routers, secret: Ref, enqueue: Callable[[Ref, float], None]
    ) -> None:
        self._world = world
        self._cluster = cluster
        self._routers = routers
        self._secret = secret
        self._enqueue = enqueue
        self._wanted: dict[Ref, ProviderKey] = {}
        self._found: dict[ProviderKey, Diagnosis | None] = {}
        self._missing: set[ProviderKey] = set()
        self._pause = LOOK_AGAIN_SECONDS
        self._looked = False

    def follow(self, key: Ref, model: ModelDeployment | None) -> None:
        """``model`` was seen, or is gone: when that changes which keys are wanted, the Secret gets a pass."""
        wanted = provider_key_of(model) if model is not None else None
        if wanted == self._wanted.get(key) and self._looked:
            return
        if wanted is None:
            self._wanted.pop(key, None)
        else:
            self._wanted[key] = wanted
        self._enqueue(self._secret, _GATHER_SECONDS)

    def is_known(self, model: ModelDeployment) -> bool:
        """Whether the key of ``model`` was looked for; when it is, the model gets another pass."""
        wanted = provider_key_of(model)
        return wanted is None or wanted in self._found

    def problem(self, model: ModelDeployment) -> Diagnosis | None:
        """Why routers do not have the key of ``model``; None when they do, and when there is none to have."""
        wanted = provider_key_of(model)
        return self._found.get(wanted) if wanted is not None else None

    async def reconcile(self, key: Ref) -> float | None:
        """One pass. Gives the seconds until the keys are to be looked at again.

        Raises:
            ClusterError: a read or write failed; the pass is to be repeated.
        """
        owners = {wanted: owner for owner, wanted in self._all_wanted()}
        entries: dict[str, str] = {}
        found: dict[ProviderKey, Diagnosis | None] = {}
        for wanted in owners:
            copy = await self._read(wanted)
            found[wanted] = copy if isinstance(copy, Diagnosis) else None
            if isinstance(copy, str):
                entries[wanted.entry] = copy
        try:
            await self._write(entries)
        except ClusterError as error:
            refused = Diagnosis(Reason.RECONCILE_FAILED, f"{self._secret}: {error.message}"[:1024])
            self._publish(owners, {wanted: problem or refused for wanted, problem in found.items()})
            raise
        self._publish(owners, found)
        self._looked = True
        return self._next_look(found) if owners else None

    def _next_look(self, found: Mapping[ProviderKey, Diagnosis | None]) -> float:
        """Seconds. Short at first for what is missing: it may come with what is just being applied."""
        missing = {wanted for wanted, problem in found.items() if problem and problem.reason is Reason.SECRET_NOT_FOUND}
        self._pause = FIRST_LOOK_SECONDS if missing != self._missing else min(2 * self._pause, LOOK_AGAIN_SECONDS)
        self._missing = missing
        return self._pause if missing else LOOK_AGAIN_SECONDS

    def _all_wanted(self) -> list[tuple[Ref, ProviderKey]]:
        found = []
        for stored in self._world.external_models():
            try:
                model = ModelDeployment.model_validate(stored.body)
            except ValidationError:
                continue  # Its own pass says what is wrong with it.
            wanted = provider_key_of(model)
            if wanted is not None:
                name = child_name(model.metadata.name)
                found.append((Ref(MODEL_DEPLOYMENT, model.metadata.namespace, name), wanted))
        return found

    async def _read(self, wanted: ProviderKey) -> str | Diagnosis | None:
        try:
            return read_key(wanted, await self._cluster.read(wanted.source))
        except RefusedError as error:
            return Diagnosis(Reason.RECONCILE_FAILED, error.message[:1024])

    async def _write(self, entries: Mapping[str, str]) -> None:
        live = await self._cluster.read(self._secret)
        if (live or {}).get("data", {}) != entries:
            version = await self._cluster.apply(provider_keys_secret(self._secret, entries), force=True)
            await self._routers.show_provider_keys(version)

    def _publish(self, owners: Mapping[ProviderKey, Ref], found: Mapping[ProviderKey, Diagnosis | None]) -> None:
        news = [wanted for wanted in found if wanted not in self._found or self._found[wanted] != found[wanted]]
        self._found = dict(found)
        for wanted in news:
            self._enqueue(owners[wanted], 0.0)
