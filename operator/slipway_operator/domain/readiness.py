"""Whether a model can serve, and the root cause when it cannot."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from slipway_crds.conditions import ConditionType, Reason
from slipway_crds.model_deployment import ModelDeployment
from slipway_operator.domain.activation import may_sleep
from slipway_operator.domain.builders.common import fixed_replicas
from slipway_operator.domain.builders.deployment import applied_replicas
from slipway_operator.domain.cold_start import WORDS
from slipway_operator.domain.external import is_external
from slipway_operator.domain.images import gpu_count
from slipway_operator.domain.observed import Child, Observed
from slipway_operator.domain.pods import Diagnosis, Pod, diagnose
from slipway_operator.domain.resources import DEPLOYMENT

_SEVERITY: Final = {Reason.PENDING: 0, Reason.STARTING: 1, Reason.UNSCHEDULABLE: 2}
_WORST: Final = 3


@dataclass(frozen=True)
class Readiness:
    """The state of a model, as its conditions tell it."""

    ready: bool
    reason: Reason
    message: str
    progressing: bool
    """Whether the cluster has still to do what the spec asks for."""
    wanted: int
    replicas: int
    ready_replicas: int
    device: str | None = None
    """What the ready pods compute on, as far as it is known."""


def readiness(observed: Observed, problem: Diagnosis | None, *, changing: bool) -> Readiness:
    """``problem`` is what kept this pass from making the world so; ``changing`` says that it wrote to children."""
    if is_external(observed.model):
        return _external(observed.model, problem, changing=changing)
    child = observed.child(DEPLOYMENT)
    status: Mapping[str, Any] = child.status if child else {}
    wanted, ready = _wanted(observed), int(status.get("readyReplicas", 0))
    settled = child is not None and not changing and _settled(child, wanted)
    cause = problem or _cause(observed.pods, status)
    verdict = _verdict(observed, wanted, ready, settled, cause)
    return Readiness(
        ready=verdict[0],
        reason=verdict[1],
        message=_with_phase(observed, verdict[1], verdict[2]),
        progressing=not settled,
        wanted=wanted,
        replicas=int(status.get("replicas", 0)),
        ready_replicas=ready,
        device=_device(observed, ready),
    )


def _with_phase(observed: Observed, reason: Reason, message: str) -> str:
    phase = observed.cold_start.phase if observed.cold_start else None
    return WORDS.get(phase, message) if phase and reason is Reason.STARTING else message


def _external(model: ModelDeployment, problem: Diagnosis | None, *, changing: bool) -> Readiness:
    """Ready as soon as requests can go out; whether the provider answers is for the routers to see."""
    if model.spec.lifecycle.suspend:
        verdict = (False, Reason.SUSPENDED, "spec.lifecycle.suspend is true")
    elif problem is not None:
        verdict = (False, problem.reason, problem.message)
    else:
        verdict = (True, Reason.READY, f"requests go to {model.spec.model.source}")
    return Readiness(*verdict, progressing=changing, wanted=0, replicas=0, ready_replicas=0)


def _device(observed: Observed, ready: int) -> str | None:
    """While answers are still to come, what it was before: an operator that has just started knows nothing yet."""
    if ready == 0:
        return None
    return observed.fleet.device or (observed.model.status.device if observed.fleet.pending else None)


def _fallback(observed: Observed) -> str | None:
    """What to tell of pods that run on the CPU although the spec asks for GPUs."""
    if gpu_count(observed.model) == 0:
        return None
    found = observed.fleet.fallen_back
    if found is not None:
        count, reason = found
        return f"{count} on the CPU instead of the GPU: {reason}"
    conditions = (observed.model.status.conditions or ()) if observed.fleet.pending else ()
    told = (
        item.message for item in conditions if (item.type, item.reason) == (ConditionType.READY, Reason.CPU_FALLBACK)
    )
    return next((message.partition("; ")[2] for message in told), None)


def _verdict(
    observed: Observed, wanted: int, ready: int, settled: bool, cause: Diagnosis | None
) -> tuple[bool, Reason, str]:
    model = observed.model
    if observed.refused is not None:
        return False, observed.refused.reason, observed.refused.message
    if cause is not None and ready == 0 and (wanted > 0 or observed.child(DEPLOYMENT) is None):
        return False, cause.reason, cause.message
    if model.spec.lifecycle.suspend:
        return False, Reason.SUSPENDED, "spec.lifecycle.suspend is true"
    if not observed.activation.awake:
        return True, Reason.SCALED_TO_ZERO, "nobody asks for it; the next request wakes it"
    if wanted == 0:
        words = "spec.replicas is 0" if fixed_replicas(model) == 0 else "the Deployment is scaled to 0"
        return False, Reason.SCALED_TO_ZERO, f"{words}; set it to 1 or more to serve"
    if ready == 0:
        return False, Reason.PENDING, "the pods are being made"
    counted = f"{ready} of {wanted} replicas ready"
    if cause is not None and cause.is_failure:
        return True, Reason.PARTIALLY_READY, f"{counted}; {cause.reason}: {cause.message}"
    if ready < wanted:
        return True, Reason.PARTIALLY_READY, counted
    fallback = _fallback(observed)
    if fallback is not None:
        return True, Reason.CPU_FALLBACK, f"{counted}; {fallback}"
    return True, Reason.READY, counted if settled else f"{counted}; a new version is rolling out"


def _wanted(observed: Observed) -> int:
    model = observed.scheduled
    applied = applied_replicas(model, observed.has_pod_metrics, awake=observed.activation.awake)
    if applied is not None:
        return applied
    live = 1 if observed.replicas is None else observed.replicas
    # A model that wakes has none yet.
    return max(live, 1) if may_sleep(model) else live


def _settled(child: Child, wanted: int) -> bool:
    """Whether the Deployment controller has seen the Deployment and all replicas are new and ready."""
    status = child.status
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "readyReplicas")]
    seen = status.get("observedGeneration", -1) >= child.generation
    return seen and all(count == wanted for count in counts)


def _cause(pods: tuple[Pod, ...], status: Mapping[str, Any]) -> Diagnosis | None:
    """The worst that happens to the newest pods; what keeps pods from being made when there are none."""
    living = [pod for pod in pods if not pod.terminating]
    refused = _refused(status)
    if not living:
        return refused
    newest = max(living, key=lambda pod: (pod.created, pod.name)).revision
    # A failed pod stays behind after its replacement was made, and tells of the past then.
    current = [pod for pod in living if pod.revision == newest]
    current = [pod for pod in current if pod.phase != "Failed"] or current
    found = [diagnosis for pod in sorted(current, key=lambda pod: pod.name) if (diagnosis := diagnose(pod))]
    worst = max(found, key=lambda diagnosis: _SEVERITY.get(diagnosis.reason, _WORST), default=None)
    return refused if refused and (worst is None or not worst.is_failure) else worst


def _refused(status: Mapping[str, Any]) -> Diagnosis | None:
    conditions = {item["type"]: item for item in status.get("conditions") or ()}
    failure = conditions.get("ReplicaFailure")
    if failure is None or failure.get("status") != "True":
        return None
    message = str(failure.get("message", ""))
    reason = Reason.QUOTA_EXCEEDED if "exceeded quota" in message else Reason.POD_REFUSED
    return Diagnosis(reason, message[:1024])
