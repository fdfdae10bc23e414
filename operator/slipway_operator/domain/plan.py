"""What to do about a ModelDeployment: a pure function of what was observed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from slipway_crds.conditions import Reason
from slipway_crds.engines import ENGINES, EngineType
from slipway_crds.model_deployment import ModelDeployment
from slipway_operator.domain.activation import may_sleep
from slipway_operator.domain.builders.deployment import deployment, replicas_handover
from slipway_operator.domain.builders.hpa import horizontal_pod_autoscaler
from slipway_operator.domain.builders.pdb import pod_disruption_budget
from slipway_operator.domain.builders.pvc import cache_pvc
from slipway_operator.domain.builders.scaled_object import scaled_object
from slipway_operator.domain.builders.service import service
from slipway_operator.domain.builders.service_account import service_account
from slipway_operator.domain.builders.tei import tei_problem
from slipway_operator.domain.drift import holds
from slipway_operator.domain.images import EngineImage, image_of
from slipway_operator.domain.observed import ANNOTATION_HASH, Child, Observed
from slipway_operator.domain.pods import Diagnosis
from slipway_operator.domain.resources import DEPLOYMENT, HPA, PVC, SCALED_OBJECT, Manifest, Ref, ref_of
from slipway_operator.domain.rollout import strategy_of

_FIRST: Final = frozenset({"ServiceAccount", "PersistentVolumeClaim", "Service"})
"""Kinds that pods need: made before the Deployment, which would otherwise be refused its first pods."""


@dataclass(frozen=True)
class Apply:
    """One manifest to apply."""

    manifest: Manifest
    exists: bool
    """Whether a child of ours was seen. A first apply must not take over somebody else's object."""
    repairs: bool = False
    """Whether the same manifest was applied before and somebody changed the object since."""
    handover: Manifest | None = None
    """To apply just before, by a field manager of its own; see `replicas_handover`."""
    merge: bool = False
    """Whether to set just these fields and leave all others as they are."""

    @property
    def ref(self) -> Ref:
        """Where the manifest belongs."""
        return ref_of(self.manifest)

    @property
    def hash(self) -> str:
        """Of the manifest."""
        return _digest(self.manifest) if self.merge else _hash_of(self.manifest)


@dataclass(frozen=True)
class Plan:
    """What one pass has to do; empty when the world is as it should be."""

    stages: tuple[tuple[Apply, ...], ...] = ()
    """Applies of one stage are independent of each other; a stage follows the one before it."""
    delete: tuple[Child, ...] = ()
    problem: Diagnosis | None = None
    """Why there is nothing to apply, when the spec asks for something that cannot be had."""

    @property
    def is_empty(self) -> bool:
        """Whether the pass writes nothing to children."""
        return not self.delete and not any(self.stages)

    @property
    def deployment(self) -> Manifest | None:
        """The Deployment, if the pass is to make it or to change more of it than its replicas."""
        applies = (apply for stage in self.stages for apply in stage if not apply.merge)
        return next((apply.manifest for apply in applies if apply.ref.resource is DEPLOYMENT), None)

    @property
    def wakes(self) -> bool:
        """Whether the pass gives replicas to a model that slept."""
        return any(apply.merge for stage in self.stages for apply in stage)

    @property
    def creates(self) -> bool:
        """Whether the pass makes a child that was not there."""
        return any(not apply.exists for stage in self.stages for apply in stage)


@dataclass(frozen=True)
class PlanSettings:
    """What the installation decides."""

    images: Mapping[EngineType, EngineImage] = field(default_factory=dict)
    """Images of each engine that this installation has."""
    otlp_endpoint: str = ""
    """Where models send their traces; empty: nowhere."""


def plan(observed: Observed, settings: PlanSettings) -> Plan:
    """What to apply and what to delete."""
    model = observed.model
    if model.metadata.deletion_timestamp is not None:
        return Plan()
    desired = _desired(observed, settings)
    if isinstance(desired, Diagnosis):
        return Plan(problem=desired)
    applies = [apply for ref in desired if (apply := _apply(desired[ref], observed)) is not None]
    stages = (
        tuple(apply for apply in applies if apply.ref.resource.kind in _FIRST),
        tuple(apply for apply in applies if apply.ref.resource.kind not in _FIRST),
    )
    unwanted = tuple(
        child
        for child in observed.children
        if child.ref not in desired and child.owner_uid == model.metadata.uid and not child.deleting
    )
    return Plan(stages=stages, delete=unwanted, problem=_foreign_child(observed, desired))


def plan_inputs(observed: Observed) -> object:
    """All that `plan` looks at, to be compared with what it looked at before."""
    metadata = observed.model.metadata
    children = frozenset((child.ref, child.uid, child.deleting, child.fields) for child in observed.children)
    scheduled = observed.activation.awake, observed.activation.min_replicas
    return metadata.uid, metadata.generation, metadata.deletion_timestamp, children, scheduled, observed.refused


def with_hash(manifest: Manifest) -> Manifest:
    """The manifest with the hash of itself as an annotation."""
    annotations = {**manifest["metadata"].get("annotations", {}), ANNOTATION_HASH: _digest(manifest)}
    return {**manifest, "metadata": {**manifest["metadata"], "annotations": annotations}}


def up_to_date(child: Child, manifest: Manifest) -> bool:
    """Whether applying ``manifest`` (with its hash) would change nothing."""
    if child.applied_hash != _hash_of(manifest):
        return False
    live: dict[str, Any] = child.live_fields()
    metadata = {name: manifest["metadata"][name] for name in ("labels", "ownerReferences")}
    fields = {name: value for name, value in manifest.items() if name not in ("apiVersion", "kind", "metadata")}
    return holds({**fields, "metadata": metadata}, live)


def _digest(manifest: Manifest) -> str:
    """Without a Deployment's replicas, so that one who wakes is what was applied, and takes one small write only."""
    covered = manifest
    if manifest["kind"] == DEPLOYMENT.kind:
        spec = {name: value for name, value in manifest["spec"].items() if name != "replicas"}
        covered = {**manifest, "spec": spec}
    canonical = json.dumps(covered, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _hash_of(manifest: Manifest) -> str:
    return str(manifest["metadata"]["annotations"][ANNOTATION_HASH])


def _desired(observed: Observed, settings: PlanSettings) -> dict[Ref, Manifest] | Diagnosis:
    """The children by where they belong, or why the spec cannot have any."""
    model = observed.scheduled
    if observed.refused is not None:
        return observed.refused
    if not ENGINES[model.spec.engine.type].in_pod:
        return {}
    image = image_of(model, settings.images)
    if isinstance(image, Diagnosis):
        return image
    problem = tei_problem(model)
    if problem is not None:
        return problem
    claim = observed.child(PVC)
    manifests = (
        service_account(model),
        cache_pvc(model, claim.live_fields() if claim else None),
        service(model),
        deployment(
            model,
            image,
            observed.has_pod_metrics,
            strategy_of(observed),
            awake=observed.activation.awake,
            otlp_endpoint=settings.otlp_endpoint,
        ),
        _autoscaler(model, observed),
        pod_disruption_budget(model),
    )
    return {ref_of(manifest): with_hash(manifest) for manifest in manifests if manifest is not None}


def _autoscaler(model: ModelDeployment, observed: Observed) -> Manifest | None:
    if observed.keda is None or not observed.keda.served:
        return horizontal_pod_autoscaler(model, observed.has_pod_metrics)
    # KEDA would wake a model: it brings whatever has a ScaledObject to that one's minimum.
    return scaled_object(model, observed.keda) if observed.activation.awake else None


def _apply(manifest: Manifest, observed: Observed) -> Apply | None:
    ref = ref_of(manifest)
    if ref.resource is SCALED_OBJECT and observed.child(HPA) is not None:
        # KEDA refuses one whose Deployment another autoscaler scales: that one goes first.
        return None
    child = next((child for child in observed.children if child.ref == ref), None)
    if child is None:
        return Apply(manifest, exists=False)
    if child.deleting or _is_foreign(child, observed.model):
        return None
    handover = _handover(manifest, child, observed)
    if up_to_date(child, manifest):
        if _sleeps(manifest, observed) and (handover is not None or may_sleep(observed.model)):
            return Apply(replicas_handover(observed.scheduled, 0), exists=True, merge=True)
        if handover is None:
            return None
    repairs = child.applied_hash == _hash_of(manifest) and handover is None
    return Apply(manifest, exists=True, repairs=repairs, handover=handover)


def _foreign_child(observed: Observed, desired: Mapping[Ref, Manifest]) -> Diagnosis | None:
    foreign = [child.ref for child in observed.children if child.ref in desired and _is_foreign(child, observed.model)]
    if not foreign:
        return None
    return Diagnosis(Reason.RECONCILE_FAILED, not_ours_message(foreign[0]))


def not_ours_message(ref: Ref) -> str:
    """What to tell when an object with the name of a child is somebody else's."""
    return (
        f"{ref.resource.kind} {ref.name} exists and does not belong to this ModelDeployment; "
        "delete it or rename the ModelDeployment"
    )


def _is_foreign(child: Child, model: ModelDeployment) -> bool:
    """Whether it is somebody else's: of an earlier model of this name, or never ours whatever its labels say.

    One that was ours and lost its owner reference to a hand is taken back.
    """
    if child.owner_uid == model.metadata.uid:
        return False
    return bool(child.owner_uid) or not child.applied_hash


def _sleeps(manifest: Manifest, observed: Observed) -> bool:
    """Whether it is the Deployment, and that has no replicas, although not by the manifest."""
    return manifest["kind"] == DEPLOYMENT.kind and "replicas" not in manifest["spec"] and observed.replicas == 0


def _handover(manifest: Manifest, child: Child, observed: Observed) -> Manifest | None:
    """What to do about replicas that the operator applied, and that an autoscaler is to own now."""
    if child.ref.resource is not DEPLOYMENT or not child.owns_replicas or "replicas" in manifest["spec"]:
        return None
    model = observed.scheduled
    return replicas_handover(model, child.live_fields()["spec"]["replicas"])
