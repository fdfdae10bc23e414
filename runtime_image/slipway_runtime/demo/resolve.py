"""Where the models behind ``demo://NAME`` lie.

They make the quickstart work offline: the chat model ships inside this distribution; the embedding model ships inside
the container image, and elsewhere it is written on first use from a package that the runtime's ONNX extra installs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

CHAT_FILE = "slipway-demo-chat.gguf"
EMBED_FOLDER = "all-MiniLM-L6-v2"


class UnknownDemoModelError(ValueError):
    """No demo model has that name, or it is not part of this installation."""


def resolve_demo(name: str, cache_dir: Path) -> Path:
    """Return the GGUF file or the ONNX folder of the demo model ``name``, as in ``demo://NAME``.

    A model that has to be written first goes below ``cache_dir``, once; that takes about a second. Raises
    UnknownDemoModelError (a ValueError) for a name that does not exist, another ValueError when the package a
    model is made from is missing, and OSError when ``cache_dir`` cannot be written.
    """
    try:
        locate = DEMO_MODELS[name]
    except KeyError:
        known = ", ".join(f"demo://{known}" for known in DEMO_MODELS)
        raise UnknownDemoModelError(f"there is no demo model {name!r}; write one of: {known}") from None
    return locate(cache_dir)


def _chat(_cache_dir: Path) -> Path:
    # In a checkout this is a link to the file beside the script that makes it.
    shipped = Path(__file__).with_name(CHAT_FILE)
    if shipped.is_file():
        return shipped
    raise UnknownDemoModelError(
        f"this installation lacks the file of demo://chat, {CHAT_FILE}: reinstall slipway, "
        "or make it with examples/models/chat/train.py"
    )


def _embed(cache_dir: Path) -> Path:
    shipped = Path(__file__).with_name(EMBED_FOLDER)
    written = cache_dir / EMBED_FOLDER
    # A folder appears complete or not at all.
    for candidate in (shipped, written):
        if candidate.is_dir():
            return candidate
    # Imported here because only the ONNX runtime's environment has these libraries, and they take a second to load.
    from slipway_runtime.demo.embed_onnx import minilm_source, write_embedding_model

    return write_embedding_model(minilm_source(), written)


DEMO_MODELS: Mapping[str, Callable[[Path], Path]] = MappingProxyType({"chat": _chat, "embed": _embed})
