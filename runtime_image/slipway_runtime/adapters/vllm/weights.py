"""What can be seen of a model's folder before vLLM takes a minute to find it wanting."""

import json
import struct
from pathlib import Path
from typing import Any, Final

from slipway_crds.conditions import Reason
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.vllm import LoraAdapter

_CONFIGS: Final = ("config.json", "params.json")
"""Of the Hugging Face layout, and of Mistral's own."""
_INDEX: Final = "model.safetensors.index.json"
_WEIGHTS: Final = ("*.safetensors", "*.bin", "*.pt", "*.pth")
_TEMPLATE_FILES: Final = ("chat_template.jinja", "chat_template.json", "chat_templates", "tekken.json", "params.json")
"""Files that hold a chat template, or make vLLM take Mistral's tokenizer, which has its own."""
_LARGEST_HEADER: Final = 100_000_000
"""Bytes; safetensors itself sets this bound."""


def check_folder(folder: Path) -> None:
    """Raise RuntimeFailure (WeightsInvalid) unless ``folder`` has a model's configuration."""
    if not folder.is_dir():
        raise _invalid(f"vLLM loads a folder in the layout of the Hugging Face hub; {folder.name} is one file")
    if not any((folder / name).is_file() for name in _CONFIGS):
        raise _invalid(f"the model has no config.json; there is {_listing(folder)}")


def check_weights(folder: Path) -> None:
    """Raise RuntimeFailure (WeightsInvalid) unless the weights in ``folder`` are there and whole."""
    index = folder / _INDEX
    if index.is_file():
        parts = read_object(index).get("weight_map", {})
        missing = sorted({str(name) for name in parts.values()} - {path.name for path in folder.iterdir()})
        if missing:
            raise _invalid(f"{_INDEX} names files that are not there: {', '.join(missing[:5])}")
    found = _weights(folder)
    if not found:
        raise _invalid(f"the folder has no {' or '.join(_WEIGHTS)}; there is {_listing(folder)}")
    for path in found:
        if path.suffix == ".safetensors":
            _check_safetensors(path)


def check_chat_template(folder: Path) -> None:
    """Raise RuntimeFailure (ChatTemplateMissing) when nothing in ``folder`` tells how to write a conversation."""
    tokenizer = folder / "tokenizer_config.json"
    # Without one the tokenizer is of a kind that vLLM knows more about than these few lines.
    if not tokenizer.is_file() or any((folder / name).exists() for name in _TEMPLATE_FILES):
        return
    if not read_object(tokenizer).get("chat_template"):
        message = (
            "the model has no chat template, so it cannot chat; write spec.tasks: [completions], or name a template "
            "with engine.args: [--chat-template=FILE]"
        )
        raise RuntimeFailure(Reason.CHAT_TEMPLATE_MISSING, message)


def weights_bytes(folder: Path) -> int:
    """The size of the weights."""
    return sum(path.stat().st_size for path in _weights(folder))


def read_adapter(name: str, folder: Path) -> LoraAdapter:
    """The LoRA adapter in ``folder``. Raises RuntimeFailure (WeightsInvalid)."""
    config = folder / "adapter_config.json"
    if not config.is_file():
        raise _invalid(f"adapter {name}: it has no adapter_config.json; there is {_listing(folder)}")
    rank = read_object(config).get("r")
    if not isinstance(rank, int) or rank < 1:
        raise _invalid(f"adapter {name}: r in adapter_config.json is {rank!r}, not a rank")
    check_weights(folder)
    return LoraAdapter(name, str(folder), rank)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``. Raises RuntimeFailure (WeightsInvalid)."""
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise _invalid(f"{path.name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise _invalid(f"{path.name} is not a JSON object")
    return value


def _check_safetensors(path: Path) -> None:
    """Compare the size with what the header tells: eight bytes of its length, JSON, then the tensors' data."""
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else _LARGEST_HEADER + 1
        if length > _LARGEST_HEADER:
            raise _invalid(f"{path.name} is not a safetensors file")
        try:
            header = json.loads(file.read(length))
            end = max((tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _invalid(f"{path.name} is not a safetensors file: its header cannot be read") from error
    if size != 8 + length + end:
        raise _invalid(f"{path.name} is damaged: it has {size} bytes, and its header tells of {8 + length + end}")


def _weights(folder: Path) -> list[Path]:
    # Many repositories have the same weights in several formats; vLLM takes the first of these.
    found = (sorted(folder.glob(pattern)) for pattern in _WEIGHTS)
    return next((paths for paths in found if paths), [])


def _listing(folder: Path) -> str:
    return ", ".join(sorted(path.name for path in folder.iterdir())[:10]) if folder.is_dir() else folder.name


def _invalid(message: str) -> RuntimeFailure:
    return RuntimeFailure(Reason.WEIGHTS_INVALID, message)
