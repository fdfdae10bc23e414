"""What `slipway keys create` is asked for, as the APIKey that says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from slipway_crds.api_key import APIKey
from slipway_crds.names import API_VERSION


class UnusableKeyError(Exception):
    """What was asked of a key cannot be done; the message says why."""


@dataclass(frozen=True)
class KeyOrder:
    """An APIKey to be made. None and empty: the resource's default."""

    name: str
    owner: str = ""
    models: Sequence[str] = ()
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    concurrent_requests: int | None = None
    expires_in: float | None = None
    """Seconds from now on."""
    admin: bool = False

    def manifest(self, namespace: str, now: datetime, uid: str = "") -> dict[str, Any]:
        """The APIKey as JSON; with a ``uid`` where no API server gives it one.

        Raises:
            pydantic.ValidationError: the resource does not allow it.
        """
        limits = {
            "requestsPerMinute": self.requests_per_minute,
            "tokensPerMinute": self.tokens_per_minute,
            "tokensPerDay": self.tokens_per_day,
            "concurrentRequests": self.concurrent_requests,
        }
        limits = {name: value for name, value in limits.items() if value is not None}
        spec: dict[str, Any] = {"owner": self.owner or self.name}
        if self.models:
            spec["models"] = list(self.models)
        if limits:
            spec["limits"] = limits
        if self.expires_in is not None:
            spec["expiresAt"] = _timestamp(now + timedelta(seconds=self.expires_in))
        if self.admin:
            spec["admin"] = True
        metadata = {"name": self.name, "namespace": namespace, **({"uid": uid} if uid else {})}
        manifest = {"apiVersion": API_VERSION, "kind": APIKey.kind_name, "metadata": metadata, "spec": spec}
        APIKey.model_validate(manifest)
        return manifest


@dataclass(frozen=True)
class KnownKey:
    """An APIKey as `slipway keys list` shows it."""

    name: str
    owner: str = ""
    models: str = ""
    state: str = ""
    expires: str = ""


def known_key(key: APIKey) -> KnownKey:
    """What is told of an APIKey in a cluster. ``state`` is the reason of its condition ``Ready``."""
    ready = next((item for item in key.status.conditions or () if item.type == "Ready"), None)
    expires = key.spec.expires_at.strftime("%Y-%m-%d %H:%M") if key.spec.expires_at is not None else ""
    return KnownKey(
        key.metadata.name, key.spec.owner, ",".join(key.spec.models), ready.reason if ready is not None else "", expires
    )


def rotation_moment(key: APIKey, now: datetime) -> str:
    """The `rotation.at` that has the key of an APIKey in a cluster replaced at once.

    It is the first moment at which that key is older: ``now`` is by another clock than the cluster's, and counts only
    if nobody knows when the key was made.
    """
    made = max((item.created_at for item in key.status.key_hashes or () if item.created_at), default=None)
    # Keys know their age in whole seconds.
    return _timestamp(made + timedelta(seconds=1) if made is not None else now)


def _timestamp(moment: datetime) -> str:
    return moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")
