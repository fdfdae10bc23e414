"""What Hugging Face's text-embeddings-inference (TEI) is told: its container holds no runtime of Slipway's.

It is configured by its environment, so that ``spec.engine.args`` may set whatever it has an argument for; of both, TEI
takes the argument. The variables are those of its command line (``text-embeddings-router --help``); a version that does
not know one ignores it.
"""

import re
from typing import Final

from slipway_crds.conditions import Reason
from slipway_crds.engines import EngineType
from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import CONTROL_PORT, DATA_PORT, PVC_MOUNT_ROOT
from slipway_operator.domain.builders.volumes import CACHE_DIR
from slipway_operator.domain.pods import Diagnosis

_HUB: Final = re.compile(r"hf://(?P<repository>[^/@]+/[^/@]+)(?:@(?P<revision>[^/]+))?")
_CLAIM: Final = re.compile(r"pvc://(?P<claim>[^/]+)(?P<path>/.*)?")
_FILE: Final = re.compile(r"file://(?P<path>/.+)")


def is_tei(model: ModelDeployment) -> bool:
    """Whether the model's pods run TEI."""
    return model.spec.engine.type is EngineType.TEI


def tei_problem(model: ModelDeployment) -> Diagnosis | None:
    """Why TEI cannot load the model, as far as the spec shows."""
    if not is_tei(model) or _model_id(model.spec.model.source) is not None:
        return None
    return Diagnosis(
        Reason.INVALID_CONFIGURATION,
        f"engine tei cannot load {model.spec.model.source}; it takes hf://org/repo[@revision], pvc://claim/path and "
        "file:///path; engine onnx takes other sources and speaks the same API",
    )


def tei_environment(model: ModelDeployment) -> dict[str, str]:
    """The variables of a TEI container whose source `tei_problem` has nothing against."""
    spec = model.spec
    hub = _HUB.fullmatch(spec.model.source)
    values = {
        "MODEL_ID": _model_id(spec.model.source),
        "REVISION": hub["revision"] if hub else None,
        "SERVED_MODEL_NAME": model.served_names[0],
        # Kubernetes sets HOSTNAME to the pod's name, which TEI would take for the address to listen on.
        "HOSTNAME": "0.0.0.0",
        "PORT": str(DATA_PORT),
        "PROMETHEUS_PORT": str(CONTROL_PORT),
        "HUGGINGFACE_HUB_CACHE": CACHE_DIR,
        "MAX_CONCURRENT_REQUESTS": (
            str(spec.routing.max_concurrency) if spec.routing and spec.routing.max_concurrency else None
        ),
        "JSON_OUTPUT": "true",
    }
    return {name: value for name, value in values.items() if value is not None}


def _model_id(source: str) -> str | None:
    """The name of a repository on the hub, or the path of a folder."""
    if hub := _HUB.fullmatch(source):
        return hub["repository"]
    if claim := _CLAIM.fullmatch(source):
        return f"{PVC_MOUNT_ROOT}/{claim['claim']}{(claim['path'] or '').rstrip('/')}"
    if file := _FILE.fullmatch(source):
        return file["path"]
    return None
