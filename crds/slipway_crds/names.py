"""Names, labels, ports and field managers that more than one program relies on."""

import hashlib
from typing import Final

GROUP: Final = "slipway.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = "slipway.dev/v1alpha1"
CATEGORY: Final = "slipway"

LABEL_MODEL: Final = f"{GROUP}/model"
LABEL_ENGINE: Final = f"{GROUP}/engine"
LABEL_API_KEY: Final = f"{GROUP}/api-key"
ANNOTATION_PROVIDER_KEYS: Final = f"{GROUP}/provider-keys-version"
"""Of a router's pod: the ``resourceVersion`` of the keys of providers that it is to be shown."""
LABEL_NAME: Final = "app.kubernetes.io/name"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MODEL_APP_NAME: Final = "slipway-model"
MANAGED_BY: Final = "slipway-operator"
MANAGED_BY_SELECTOR: Final = f"{LABEL_MANAGED_BY}={MANAGED_BY}"

FIELD_MANAGER_OPERATOR: Final = "slipway-operator"
FIELD_MANAGER_OPERATOR_STATUS: Final = "slipway-operator-status"
FIELD_MANAGER_ROUTER: Final = "slipway-router"

DATA_PORT: Final = 8000
DATA_PORT_NAME: Final = "http"
CONTROL_PORT: Final = 8081
CONTROL_PORT_NAME: Final = "control"
SERVICE_PORT: Final = 80

PVC_MOUNT_ROOT: Final = "/mnt/slipway/pvc"
"""Where the operator mounts the claim of a ``pvc://CLAIM/PATH`` source, as ``ROOT/CLAIM``."""
RUNTIME_UID: Final = 10001

MAX_LABEL_LENGTH: Final = 63
_HASH_LENGTH: Final = 8


def child_name(name: str, suffix: str = "") -> str:
    """The name of a child of the object ``name``: ``name`` + ``suffix``, at most 63 characters.

    A longer one is cut and gets a hash of the whole, so that two long names never meet.
    """
    full = f"{name}{suffix}"
    if len(full) <= MAX_LABEL_LENGTH:
        return full
    digest = hashlib.sha256(full.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{full[: MAX_LABEL_LENGTH - _HASH_LENGTH - 1].rstrip('-.')}-{digest}"


def selector_labels(name: str) -> dict[str, str]:
    """The two labels that select the pods of the ModelDeployment ``name``; never any label of the user's."""
    return {LABEL_NAME: MODEL_APP_NAME, LABEL_MODEL: child_name(name)}
