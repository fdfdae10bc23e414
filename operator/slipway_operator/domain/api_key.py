"""What to do about an APIKey: make its Secret, rotate it, and publish the hashes that routers accept.

The Secret is the only place of the clear text, and everything in the status follows from the Secret: a pass that was
cut short between the two is made good by the next one. Deleting the Secret is how a person revokes a key at once.
"""

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from slipway_crds.api_key import APIKey, APIKeyStatus, KeyHash, Rotation
from slipway_crds.conditions import ConditionType, Reason, condition, set_condition
from slipway_crds.duration import parse_duration
from slipway_crds.keys import hash_key
from slipway_crds.names import GROUP, LABEL_API_KEY, LABEL_MANAGED_BY, MANAGED_BY, child_name
from slipway_operator.domain.builders.common import owner_reference
from slipway_operator.domain.observed import SECRET_KEY_FIELD, KeySecret
from slipway_operator.domain.pods import Diagnosis
from slipway_operator.domain.resources import SECRET, Manifest, Ref

ANNOTATION_CREATED_AT: Final = f"{GROUP}/key-created-at"
ANNOTATION_PREVIOUS: Final = f"{GROUP}/previous-key-sha256"
ANNOTATION_PREVIOUS_EXPIRES_AT: Final = f"{GROUP}/previous-key-expires-at"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"
_LONGEST_WAIT_SECONDS: Final = 86_400.0


@dataclass(frozen=True)
class KeyPlan:
    """What one pass has to do about an APIKey."""

    secret: Manifest | None
    """To write; None when the Secret is as it should be."""
    exists: bool
    """Whether ``secret`` replaces one that was seen."""
    delete: tuple[KeySecret, ...]
    """Secrets by a name that the spec no longer says."""
    hashes: tuple[KeyHash, ...]
    requeue_after: float | None
    """Seconds until the next moment at which something expires or is due."""


def plan_key(key: APIKey, secrets: Sequence[KeySecret], now: datetime, new_key: Callable[[], str]) -> KeyPlan:
    """``secrets`` are all that carry the label of ``key``; ``new_key`` makes a key when one is needed."""
    ref = Ref(SECRET, key.metadata.namespace, key.secret_name)
    ours = [secret for secret in secrets if secret.owner_uid == key.metadata.uid]
    current = next((secret for secret in ours if secret.ref == ref), None)
    unwanted = tuple(secret for secret in ours if secret.ref != ref)
    manifest = _wanted_secret(key, ref, current, now, new_key)
    hashes = _hashes_of_manifest(manifest) if manifest is not None else _hashes_of_secret(current)
    hashes = tuple(item for item in hashes if item.expires_at is None or item.expires_at > now)
    return KeyPlan(
        secret=manifest,
        exists=current is not None,
        delete=unwanted,
        hashes=hashes,
        requeue_after=_next_moment(key, hashes, now),
    )


def key_status(key: APIKey, hashes: Sequence[KeyHash], problem: Diagnosis | None, now: datetime) -> dict[str, Any]:
    """The status of an APIKey. A key that is refused publishes no hash, so that no router can take it for valid."""
    ready, reason, message = _verdict(key, problem, now)
    ready_condition = condition(
        ConditionType.READY,
        status=ready,
        reason=reason,
        message=message,
        generation=key.metadata.generation,
        now=now,
    )
    return APIKeyStatus(
        observed_generation=key.metadata.generation,
        conditions=set_condition(key.status.conditions or (), ready_condition),
        key_hashes=tuple(hashes) if ready else (),
        secret_name=key.secret_name if problem is None else None,
    ).to_dict()


def _verdict(key: APIKey, problem: Diagnosis | None, now: datetime) -> tuple[bool, Reason, str]:
    if problem is not None:
        return False, problem.reason, problem.message
    if key.spec.suspend:
        return False, Reason.SUSPENDED, "spec.suspend is true"
    if key.spec.expires_at is not None and key.spec.expires_at <= now:
        return False, Reason.EXPIRED, f"expired at {key.spec.expires_at.strftime(_TIME_FORMAT)}"
    return True, Reason.ISSUED, f"the key is in Secret {key.secret_name}, field {SECRET_KEY_FIELD}"


def _wanted_secret(
    key: APIKey, ref: Ref, current: KeySecret | None, now: datetime, new_key: Callable[[], str]
) -> Manifest | None:
    if current is None or current.key_sha256 is None:
        return _secret(key, ref, new_key(), {ANNOTATION_CREATED_AT: now.strftime(_TIME_FORMAT)})
    rotation = key.spec.rotation
    if rotation is None or not _is_due(rotation, _created_at(key, current, now), now):
        return None
    overlap_ends = now + timedelta(seconds=parse_duration(rotation.overlap))
    annotations = {
        ANNOTATION_CREATED_AT: now.strftime(_TIME_FORMAT),
        ANNOTATION_PREVIOUS: current.key_sha256,
        ANNOTATION_PREVIOUS_EXPIRES_AT: overlap_ends.strftime(_TIME_FORMAT),
    }
    return _secret(key, ref, new_key(), annotations)


def _is_due(rotation: Rotation, created_at: datetime, now: datetime) -> bool:
    return any(moment <= now for moment in _due_moments(rotation, created_at))


def _due_moments(rotation: Rotation, created_at: datetime) -> Iterable[datetime]:
    """When a key that was made at ``created_at`` is to be replaced."""
    if rotation.interval is not None:
        yield created_at + timedelta(seconds=parse_duration(rotation.interval))
    # Keys know their age in whole seconds.
    if rotation.at is not None and created_at < rotation.at.replace(microsecond=0):
        yield rotation.at


def _secret(key: APIKey, ref: Ref, clear_text: str, annotations: dict[str, str]) -> Manifest:
    return {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.kind,
        "metadata": {
            "name": ref.name,
            "namespace": ref.namespace,
            "labels": {LABEL_MANAGED_BY: MANAGED_BY, LABEL_API_KEY: child_name(key.metadata.name)},
            "annotations": annotations,
            "ownerReferences": [owner_reference(key)],
        },
        "type": "Opaque",
        "data": {SECRET_KEY_FIELD: base64.b64encode(clear_text.encode()).decode()},
    }


def _hashes_of_manifest(manifest: Manifest) -> tuple[KeyHash, ...]:
    clear_text = base64.b64decode(manifest["data"][SECRET_KEY_FIELD]).decode()
    return _hashes(hash_key(clear_text), manifest["metadata"]["annotations"])


def _hashes_of_secret(secret: KeySecret | None) -> tuple[KeyHash, ...]:
    if secret is None or secret.key_sha256 is None:
        return ()
    return _hashes(secret.key_sha256, dict(secret.annotations))


def _hashes(current: str, annotations: dict[str, str]) -> tuple[KeyHash, ...]:
    hashes = [KeyHash(sha256=current, created_at=_parse_time(annotations.get(ANNOTATION_CREATED_AT)))]
    previous, expires = annotations.get(ANNOTATION_PREVIOUS), annotations.get(ANNOTATION_PREVIOUS_EXPIRES_AT)
    expires_at = _parse_time(expires)
    # Whoever may edit the Secret may edit its annotations.
    if previous and _SHA256.fullmatch(previous) and expires_at is not None and previous != current:
        hashes.append(KeyHash(sha256=previous, expires_at=expires_at))
    return tuple(hashes)


def _created_at(key: APIKey, secret: KeySecret, now: datetime) -> datetime:
    """When the key was made; when the annotation was lost, the APIKey's own age, so that rotation still comes."""
    return _parse_time(secret.annotations.get(ANNOTATION_CREATED_AT)) or key.metadata.creation_timestamp or now


def _parse_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None


def _next_moment(key: APIKey, hashes: Sequence[KeyHash], now: datetime) -> float | None:
    moments = [item.expires_at for item in hashes if item.expires_at is not None]
    if key.spec.expires_at is not None:
        moments.append(key.spec.expires_at)
    if key.spec.rotation is not None:
        moments += [
            moment
            for item in hashes
            if item.expires_at is None
            for moment in _due_moments(key.spec.rotation, item.created_at or key.metadata.creation_timestamp or now)
        ]
    waits = [(moment - now).total_seconds() for moment in moments if moment > now]
    return min(*waits, _LONGEST_WAIT_SECONDS) + 1.0 if waits else None
