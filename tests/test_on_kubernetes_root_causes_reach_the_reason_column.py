"""What keeps a model from serving is in `kubectl get mdep` within 15 s of Kubernetes knowing it."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.installation import ROUTER_SERVICE, SYSTEM_NAMESPACE, Installation, model

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parent.parent
MISSING_WEIGHTS = f"http://{ROUTER_SERVICE}.{SYSTEM_NAMESPACE}/no-such-weights.gguf"
NOT_A_MODEL = f"http://{ROUTER_SERVICE}.{SYSTEM_NAMESPACE}/health"
TOO_LITTLE_MEMORY = {"limits": {"memory": "24Mi"}, "requests": {"memory": "24Mi"}}


@pytest.mark.parametrize(
    ("name", "spec", "reason", "known_by", "words"),
    [
        (
            "no-image",
            {"engine": {"type": "dummy", "image": "localhost/nothing:none"}},
            "ImagePullBackOff",
            "ErrImagePull",
            "localhost/nothing:none",
        ),
        (
            "no-gpu",
            {"resources": {"gpu": {"count": 64}}},
            "Unschedulable",
            "Unschedulable",
            "Insufficient nvidia.com/gpu",
        ),
        (
            "no-weights",
            {"engine": {"type": "llamacpp"}, "model": {"source": MISSING_WEIGHTS}},
            "WeightsNotFound",
            "WeightsNotFound",
            "404",
        ),
        ("no-memory", {"resources": TOO_LITTLE_MEMORY}, "OOMKilled", "OOMKilled", "24Mi"),
        (
            "no-model",
            {"engine": {"type": "llamacpp"}, "model": {"source": NOT_A_MODEL}},
            "WeightsInvalid",
            "WeightsInvalid",
            "GGUF",
        ),
        (
            "no-flag",
            {"engine": {"type": "llamacpp", "args": ["--no-such-flag=1"]}, "model": {"source": "demo://chat"}},
            "InvalidConfiguration",
            "InvalidConfiguration",
            "--no-such-flag",
        ),
        (
            "no-task",
            {"engine": {"type": "onnx"}, "model": {"source": "demo://embed"}, "tasks": ["rerank"]},
            "UnsupportedTask",
            "UnsupportedTask",
            "embeddings",
        ),
    ],
)
def test_the_cause_is_shown(
    installation: Installation, name: str, spec: dict[str, object], reason: str, known_by: str, words: str
) -> None:
    assert words in shown(installation, name, spec, reason, known_by)


@pytest.fixture
def weights_without_template() -> Iterator[Path]:
    """A folder with the demo chat model, its template's key renamed; any user may read it, as the pod's must."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        whole = (ROOT / "examples/models/chat/slipway-demo-chat.gguf").read_bytes()
        assert b"tokenizer.chat_template" in whole
        (folder / "chat.gguf").write_bytes(whole.replace(b"tokenizer.chat_template", b"tokenizer.chat_nothing!", 1))
        yield folder


def test_a_missing_chat_template_is_shown(installation: Installation, weights_without_template: Path) -> None:
    spec = {
        "engine": {"type": "llamacpp"},
        "model": {"source": "file:///models/chat.gguf"},
        "template": {
            "volumes": [{"name": "models", "hostPath": {"path": str(weights_without_template)}}],
            "volumeMounts": [{"name": "models", "mountPath": "/models", "readOnly": True}],
        },
    }
    message = shown(installation, "no-template", spec, "ChatTemplateMissing", "ChatTemplateMissing")
    assert "--chat-template" in message


def shown(installation: Installation, name: str, spec: Mapping[str, object], reason: str, known_by: str) -> str:
    """The message beside the reason, once the reason is there."""
    installation.apply(model(name, **spec))
    eventually(
        "Kubernetes knows",
        lambda: json.dumps(installation.get("pods", "-l", f"slipway.dev/model={name}")),
        lambda pods: known_by in pods,
        within=60,
    )
    eventually("REASON", lambda: installation.reason(name), lambda seen: seen == reason, within=15)
    message: str = installation.condition(name)["message"]
    return message
