"""Names that callers use belong to one model each: of two that claim the same one, the older has it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from slipway_crds.conditions import Reason
from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import child_name
from slipway_operator.domain.pods import Diagnosis
from slipway_operator.domain.resources import MODEL_DEPLOYMENT, Ref

_ADVICE: Final = "{owner} is older and serves callers as {name!r}; choose another name in {field}, or delete {owner}"


@dataclass(frozen=True, slots=True, order=True)
class Claimant:
    """A model that claims a name. The least one has it, as in the routers' catalogue."""

    created: str
    """``metadata.creationTimestamp``: RFC 3339 in UTC and whole seconds, so that its text is in order."""
    namespace: str
    name: str

    @property
    def key(self) -> Ref:
        """The model in the work queue."""
        return Ref(MODEL_DEPLOYMENT, self.namespace, child_name(self.name))


@dataclass(frozen=True, slots=True)
class Claim:
    """What one model claims."""

    claimant: Claimant
    names: frozenset[str]
    """Those of the model and of its adapters. Suspended and asleep models keep theirs."""


def claim_of(body: Mapping[str, Any]) -> Claim | None:
    """What a ModelDeployment claims; None for one that is going, or that routers leave out, too."""
    try:
        model = ModelDeployment.model_validate({**body, "status": {}})
    except ValidationError:
        return None
    if model.metadata.deletion_timestamp is not None:
        return None
    return Claim(_claimant(body["metadata"]), frozenset((*model.served_names, *model.adapter_names)))


class Rivals:
    """Knows which models to look at again when another one comes, goes or changes what it claims."""

    def __init__(self, claimants: Callable[[str], Sequence[Claimant]]) -> None:
        self._claimants = claimants
        self._claims: dict[Ref, Claim] = {}

    def after(self, key: Ref, claim: Claim | None) -> set[Ref]:
        """The models that share a name with ``key``, now or before; none while it claims what it did."""
        before = self._claims.pop(key, None)
        if claim is not None:
            self._claims[key] = claim
        if claim == before:
            return set()
        names = (before.names if before else frozenset()) | (claim.names if claim else frozenset())
        return {claimant.key for name in names for claimant in self._claimants(name)} - {key}


def name_conflict(model: ModelDeployment, claimants: Callable[[str], Sequence[Claimant]]) -> Diagnosis | None:
    """Why ``model`` may not run: an older one has one of its names. A suspended model is in nobody's way."""
    if model.spec.lifecycle.suspend or model.metadata.deletion_timestamp is not None:
        return None
    place = (model.metadata.namespace, model.metadata.name)
    for name in (*model.served_names, *model.adapter_names):
        first = min(claimants(name), default=None)
        if first is not None and (first.namespace, first.name) != place:
            return Diagnosis(Reason.SERVED_NAME_CONFLICT, _message(model, name, first))
    return None


def _message(model: ModelDeployment, name: str, owner: Claimant) -> str:
    field = "spec.adapters" if name in model.adapter_names else "spec.model.servedNames"
    return _ADVICE.format(owner=f"ModelDeployment {owner.namespace}/{owner.name}", name=name, field=field)


def _claimant(metadata: Mapping[str, Any]) -> Claimant:
    return Claimant(metadata.get("creationTimestamp") or "", metadata["namespace"], metadata["name"])
