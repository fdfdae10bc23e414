"""Models that a provider serves: no pods, an address, and a key that only routers may read.

Routers have no right on Secrets. The operator copies the keys of all external models into one Secret beside the
routers, which they mount; every entry follows from the models that there are, so that whatever is left over goes with
the next pass.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from slipway_crds.conditions import Reason
from slipway_crds.engines import ENGINES
from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import LABEL_MANAGED_BY, MANAGED_BY
from slipway_operator.domain.pods import Diagnosis
from slipway_operator.domain.resources import SECRET, Manifest, Ref

LOOK_AGAIN_SECONDS: Final = 30.0
"""Nothing tells when somebody else's Secret changes: only Slipway's own are watched."""
FIRST_LOOK_SECONDS: Final = 1.0
"""For a Secret that is missing; each time twice as long."""
_LONGEST_ENTRY_NAME: Final = 253
"""Of a key in a Secret's data (k8s.io/apimachinery, IsConfigMapKey)."""
_LONGEST_KEY: Final = 8192
_HEADER_VALUE: Final = re.compile(rb"[\x21-\x7e]+")
"""What fits behind ``Authorization: Bearer``."""


@dataclass(frozen=True, slots=True)
class ProviderKey:
    """Where the key of a model's provider lies, and where its copy goes."""

    source: Ref
    """The Secret that ``spec.engine.authSecret`` names."""
    field: str
    optional: bool
    entry: str
    """Name of the copy: ``NAMESPACE.MODEL``."""


def is_external(model: ModelDeployment) -> bool:
    """Whether somebody else runs the model."""
    return not ENGINES[model.spec.engine.type].in_pod


def provider_key_of(model: ModelDeployment) -> ProviderKey | None:
    """None for a model in pods, one that is being deleted, and a provider that wants no key."""
    auth = model.spec.engine.auth_secret
    if not is_external(model) or auth is None or model.metadata.deletion_timestamp is not None:
        return None
    namespace = model.metadata.namespace
    source = Ref(SECRET, namespace, auth.name)
    return ProviderKey(source, auth.key, bool(auth.optional), f"{namespace}.{model.metadata.name}")


def read_key(wanted: ProviderKey, secret: Mapping[str, Any] | None) -> str | Diagnosis | None:
    """The key in ``secret``, in base64; why it cannot be used; None when it is missing and may be."""
    where = f"Secret {wanted.source.namespace}/{wanted.source.name}"
    if len(wanted.entry) > _LONGEST_ENTRY_NAME:
        most = _LONGEST_ENTRY_NAME - len(wanted.source.namespace) - 1
        message = f"the name of an external model with an authSecret has at most {most} characters here"
        return Diagnosis(Reason.INVALID_CONFIGURATION, message)
    encoded = ((secret or {}).get("data") or {}).get(wanted.field)
    if encoded is None:
        missing = f"{where} does not exist" if secret is None else f"{where} has no key {wanted.field!r}"
        return None if wanted.optional else Diagnosis(Reason.SECRET_NOT_FOUND, missing)
    try:
        key = base64.b64decode(encoded, validate=True).strip()
    except binascii.Error:
        key = b""
    if len(key) > _LONGEST_KEY or not _HEADER_VALUE.fullmatch(key):
        message = f"{where}, key {wanted.field!r}: write 1 to {_LONGEST_KEY} printable ASCII characters without spaces"
        return Diagnosis(Reason.INVALID_CONFIGURATION, message)
    return base64.b64encode(key).decode()


def provider_keys_secret(ref: Ref, entries: Mapping[str, str]) -> Manifest:
    """The Secret that routers mount; server-side apply takes away what ``entries`` no longer has."""
    return {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.kind,
        "metadata": {"name": ref.name, "namespace": ref.namespace, "labels": {LABEL_MANAGED_BY: MANAGED_BY}},
        "data": dict(entries),
    }
