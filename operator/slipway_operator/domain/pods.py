"""What a pod tells about itself, and the root cause when it does not serve."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from slipway_crds.conditions import Reason
from slipway_crds.engines import EngineType
from slipway_crds.names import LABEL_ENGINE
from slipway_operator.domain.tei_log import cause_of

Start = tuple[str, int]
"""One start of a pod's container: the pod's identity, and how often the container was started again."""

CONTAINER: Final = "runtime"
_MESSAGE_LIMIT: Final = 1024
_BACK_OFF_PREFIX: Final = re.compile(r'^Back-off pulling image "[^"]*": (?:ErrImagePull: )?')

_WAITING_REASONS: Final[Mapping[str, Reason]] = {
    "ImagePullBackOff": Reason.IMAGE_PULL_BACK_OFF,
    "ErrImagePull": Reason.IMAGE_PULL_BACK_OFF,
    "ErrImageNeverPull": Reason.IMAGE_PULL_BACK_OFF,
    "RegistryUnavailable": Reason.IMAGE_PULL_BACK_OFF,
    "SignatureValidationFailed": Reason.IMAGE_PULL_BACK_OFF,
    "InvalidImageName": Reason.IMAGE_INVALID,
    "ImageInspectError": Reason.IMAGE_INVALID,
    "CreateContainerConfigError": Reason.CONTAINER_CONFIG_ERROR,
    "CreateContainerError": Reason.CONTAINER_CONFIG_ERROR,
    "RunContainerError": Reason.CONTAINER_CONFIG_ERROR,
}


@dataclass(frozen=True, slots=True)
class Termination:
    """How a container ended."""

    reason: str
    exit_code: int
    message: str


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of a model."""

    name: str
    revision: str
    """Label ``pod-template-hash``: pods of one ReplicaSet share it."""
    created: str
    phase: str
    ready: bool
    terminating: bool
    reason: str = ""
    """Of the pod as a whole, for example ``Evicted``."""
    message: str = ""
    unschedulable: str | None = None
    """The scheduler's words when it found no node."""
    waiting_reason: str = ""
    waiting_message: str = ""
    running: bool = False
    terminated: Termination | None = None
    """How the container ended, while it has not been started again."""
    last_terminated: Termination | None = None
    """How it ended the time before."""
    restarts: int = 0
    image: str = ""
    memory_limit: str = ""
    engine: str = ""
    uid: str = ""
    ip: str = ""
    scheduled_at: datetime | None = None
    """Since when it has a node."""
    started_at: datetime | None = None
    """Since when the container runs."""
    ready_at: datetime | None = None
    """Since when it is ready, or not ready any more."""

    @property
    def start(self) -> Start:
        """The start that the pod is in."""
        return self.uid, self.restarts


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why a pod does not serve."""

    reason: Reason
    message: str

    @property
    def is_failure(self) -> bool:
        """False for what passes by itself, such as loading weights."""
        return self.reason not in (Reason.PENDING, Reason.STARTING)


def pod_of(body: Mapping[str, Any]) -> Pod:
    """The part of a pod that is kept in memory."""
    metadata, status = body["metadata"], body.get("status") or {}
    labels = metadata.get("labels", {})
    conditions = {item["type"]: item for item in status.get("conditions") or ()}
    scheduled, ready = conditions.get("PodScheduled", {}), conditions.get("Ready", {})
    statuses = {item["name"]: item for item in status.get("containerStatuses") or ()}
    container: Mapping[str, Any] = statuses.get(CONTAINER, {})
    state, last = container.get("state") or {}, container.get("lastState") or {}
    waiting = state.get("waiting") or {}
    return Pod(
        name=metadata["name"],
        revision=labels.get("pod-template-hash", ""),
        created=metadata.get("creationTimestamp", ""),
        phase=status.get("phase", "Pending"),
        ready=ready.get("status") == "True",
        terminating="deletionTimestamp" in metadata,
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        unschedulable=scheduled.get("message", "") if scheduled.get("reason") == "Unschedulable" else None,
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        running="running" in state,
        terminated=_termination(state.get("terminated")),
        last_terminated=_termination(last.get("terminated")),
        restarts=container.get("restartCount", 0),
        image=container.get("image", ""),
        memory_limit=_memory_limit(body),
        engine=labels.get(LABEL_ENGINE, ""),
        uid=metadata.get("uid", ""),
        ip=status.get("podIP", ""),
        scheduled_at=_moment(scheduled.get("lastTransitionTime")) if scheduled.get("status") == "True" else None,
        started_at=_moment((state.get("running") or {}).get("startedAt")),
        ready_at=_moment(ready.get("lastTransitionTime")),
    )


def diagnose(pod: Pod) -> Diagnosis | None:
    """The root cause of a pod that is not ready; None for one that is."""
    if pod.ready:
        return None
    if pod.phase == "Failed" and pod.terminated is None:
        return Diagnosis(Reason.POD_REFUSED, _cut(f"{pod.reason}: {pod.message}".strip(": ") or "the pod failed"))
    if pod.unschedulable is not None:
        return Diagnosis(Reason.UNSCHEDULABLE, _cut(pod.unschedulable))
    reason = _WAITING_REASONS.get(pod.waiting_reason)
    if reason is not None:
        # The kubelet alternates between the error and the wait after it; both must read the same.
        message = _BACK_OFF_PREFIX.sub("", pod.waiting_message) or pod.waiting_reason
        return Diagnosis(reason, _cut(message if pod.image in message else f"{pod.image}: {message}"))
    ended = pod.terminated or pod.last_terminated
    if ended is not None and (pod.restarts > 0 or pod.terminated is not None):
        return _diagnose_termination(ended, pod)
    if pod.running:
        return Diagnosis(Reason.STARTING, "the runtime fetches and loads the model")
    return Diagnosis(Reason.PENDING, "waiting for a node" if not pod.waiting_reason else "the container is being made")


def _diagnose_termination(ended: Termination, pod: Pod) -> Diagnosis:
    again = f" (restarted {pod.restarts}x)" if pod.restarts else ""
    if ended.reason == "OOMKilled":
        limit = f"its memory limit of {pod.memory_limit}" if pod.memory_limit else "the memory of its node"
        return Diagnosis(Reason.OOM_KILLED, f"the container used more than {limit}{again}")
    told = _tei_told(ended.message) if pod.engine == EngineType.TEI else _told(ended.message)
    if told is not None:
        return Diagnosis(told.reason, told.message + again)
    tail = ended.message.strip()[-_MESSAGE_LIMIT:]
    words = f"the container ended with exit code {ended.exit_code}{again}"
    return Diagnosis(Reason.CRASH_LOOP_BACK_OFF, f"{words}: {tail}" if tail else words)


def _told(message: str) -> Diagnosis | None:
    """The cause as the runtime wrote it: ``{"reason": …, "message": …}``."""
    try:
        told = json.loads(message)
        return Diagnosis(Reason(told["reason"]), _cut(str(told.get("message", ""))))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _tei_told(message: str) -> Diagnosis | None:
    cause = cause_of(message)
    return Diagnosis(cause[0], _cut(cause[1])) if cause is not None else None


def _memory_limit(body: Mapping[str, Any]) -> str:
    containers = (body.get("spec") or {}).get("containers") or ()
    resources = next((c.get("resources") or {} for c in containers if c["name"] == CONTAINER), {})
    return str(resources.get("limits", {}).get("memory", ""))


def _termination(state: Mapping[str, Any] | None) -> Termination | None:
    if state is None:
        return None
    return Termination(state.get("reason", ""), state.get("exitCode", 0), state.get("message", "")[-4096:])


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _cut(text: str) -> str:
    return text if len(text) <= _MESSAGE_LIMIT else text[: _MESSAGE_LIMIT - 1] + "…"
