"""Conditions as in ``metav1.Condition``, their types, and every reason Slipway gives."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from slipway_crds.base import ApiModel, Timestamp


class ConditionType(StrEnum):
    """What a condition is about."""

    READY = "Ready"
    """The object does what it is for: a model serves (or wakes when asked), a key is accepted by routers."""
    PROGRESSING = "Progressing"
    """A change is on its way to the cluster."""
    AUTOSCALING_READY = "AutoscalingReady"
    """The autoscaler that the spec asks for is set up and gets what it follows."""
    ACCEPTED = "Accepted"
    """Routers act on the object."""


class Reason(StrEnum):
    """Why a condition is what it is. Runtimes use the same words in ``/state`` and in termination messages."""

    READY = "Ready"
    SCALED_TO_ZERO = "ScaledToZero"
    SUSPENDED = "Suspended"
    PARTIALLY_READY = "PartiallyReady"
    CPU_FALLBACK = "CpuFallback"

    PENDING = "Pending"
    STARTING = "Starting"
    ROLLING_OUT = "RollingOut"
    REPLACING_IN_PLACE = "ReplacingInPlace"
    UP_TO_DATE = "UpToDate"
    UNSCHEDULABLE = "Unschedulable"
    QUOTA_EXCEEDED = "QuotaExceeded"
    POD_REFUSED = "PodRefused"
    IMAGE_PULL_BACK_OFF = "ImagePullBackOff"
    IMAGE_INVALID = "ImageInvalid"
    CONTAINER_CONFIG_ERROR = "ContainerConfigError"
    VOLUME_NOT_READY = "VolumeNotReady"

    OOM_KILLED = "OOMKilled"
    OUT_OF_MEMORY = "OutOfMemory"
    CRASH_LOOP_BACK_OFF = "CrashLoopBackOff"
    ENGINE_FAILED = "EngineFailed"
    STARTUP_TIMEOUT = "StartupTimeout"
    WEIGHTS_NOT_FOUND = "WeightsNotFound"
    WEIGHTS_FORBIDDEN = "WeightsForbidden"
    WEIGHTS_INVALID = "WeightsInvalid"
    FETCH_FAILED = "FetchFailed"
    CHAT_TEMPLATE_MISSING = "ChatTemplateMissing"
    UNSUPPORTED_TASK = "UnsupportedTask"

    INVALID_CONFIGURATION = "InvalidConfiguration"
    SECRET_NOT_FOUND = "SecretNotFound"
    SERVED_NAME_CONFLICT = "ServedNameConflict"
    ENGINE_NOT_AVAILABLE = "EngineNotAvailable"
    NOT_IMPLEMENTED = "NotImplemented"
    RECONCILE_FAILED = "ReconcileFailed"

    ISSUED = "Issued"
    EXPIRED = "Expired"
    SECRET_CONFLICT = "SecretConflict"

    AUTOSCALING_CONFIGURED = "AutoscalingConfigured"
    AUTOSCALING_DISABLED = "AutoscalingDisabled"
    AUTOSCALING_FAILED = "AutoscalingFailed"
    METRIC_NOT_SUPPORTED = "MetricNotSupported"
    METRICS_API_UNAVAILABLE = "MetricsApiUnavailable"
    KEDA_UNAVAILABLE = "KedaUnavailable"


class Condition(ApiModel):
    """One observation of an object's state, as ``metav1.Condition``."""

    type: Annotated[str, Field(max_length=316)]
    """What the condition is about."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] | None = None
    """The `metadata.generation` that this was observed of."""
    last_transition_time: Timestamp
    """When `status` last changed."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """The cause, as one word."""
    message: Annotated[str, Field(max_length=32768)] = ""
    """The cause, for people."""


def set_condition(conditions: Sequence[Condition], new: Condition) -> tuple[Condition, ...]:
    """``conditions`` with ``new`` in the place of its type, sorted by type.

    ``lastTransitionTime`` stays what it was unless ``status`` changes, as the Kubernetes API conventions ask.
    """
    old = next((c for c in conditions if c.type == new.type), None)
    if old is not None and old.status == new.status:
        new = new.model_copy(update={"last_transition_time": old.last_transition_time})
    return tuple(sorted([*(c for c in conditions if c.type != new.type), new], key=lambda c: c.type))


def condition(
    kind: ConditionType, *, status: bool | None, reason: Reason, message: str, generation: int, now: datetime
) -> Condition:
    """A condition of today; ``status`` None means Unknown."""
    text: Literal["True", "False", "Unknown"] = "Unknown" if status is None else "True" if status else "False"
    return Condition(
        type=kind, status=text, observed_generation=generation, last_transition_time=now, reason=reason, message=message
    )
