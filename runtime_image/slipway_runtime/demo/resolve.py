"""Where the models behind ``demo://NAME`` lie.

They make the quickstart work offline: the chat model ships inside this distribution; the models of the ONNX engine ship
inside its container image, and elsewhere they are written on first use from a package that its extra installs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from slipway_crds.engines import EngineType

CHAT_FILE = "slipway-demo-chat.gguf"
CHAT_FOLDER = "slipway-demo-chat"
VISION_FOLDER = "slipway-demo-vision"
IMAGES_FOLDER = "slipway-demo-images"
EMBED_FOLDER = "all-MiniLM-L6-v2"
WORDS_FOLDER = "slipway-demo-"


class UnknownDemoModelError(ValueError):
    """No demo model has that name, or it is not part of this installation."""


def resolve_demo(name: str, cache_dir: Path, engine: EngineType | None = None) -> Path:
    """Return the file or folder of the demo model ``name``, as in ``demo://NAME``, in the format of ``engine``.

    The chat model is a GGUF file for llama.cpp, and a folder as on the Hugging Face hub for vLLM.

    A model that has to be written first goes below ``cache_dir``, once; that takes about a second. Raises
    UnknownDemoModelError (a ValueError) for a name that does not exist, another ValueError when the package a
    model is made from is missing, and OSError when ``cache_dir`` cannot be written.
    """
    models = VLLM_MODELS if engine is EngineType.VLLM else DEMO_MODELS
    try:
        locate = models[name]
    except KeyError:
        known = ", ".join(f"demo://{known}" for known in models)
        raise UnknownDemoModelError(f"there is no demo model {name!r}; write one of: {known}") from None
    return locate(cache_dir)


def _chat(_cache_dir: Path) -> Path:
    # In a checkout this is a link to the file beside the script that makes it.
    return _shipped("chat", CHAT_FILE, Path.is_file, "train.py")


def _chat_folder(cache_dir: Path) -> Path:
    def write(target: Path) -> Path:
        from slipway_runtime.demo.chat_folder import write_chat_folder

        return write_chat_folder(_chat(cache_dir), target)

    return _shipped_or_written(CHAT_FOLDER, cache_dir, write)


def _images(_cache_dir: Path) -> Path:
    return _shipped("images", IMAGES_FOLDER, Path.is_dir, "make.py")


def _vision_folder(cache_dir: Path) -> Path:
    def write(target: Path) -> Path:
        from slipway_runtime.demo.vision_folder import write_vision_folder

        return write_vision_folder(_chat_folder(cache_dir), target)

    return _shipped_or_written(VISION_FOLDER, cache_dir, write)


def _adapter(name: str, _cache_dir: Path) -> Path:
    return Path(__file__).with_name("lora") / name


def _embed(cache_dir: Path) -> Path:
    def write(target: Path) -> Path:
        # Imported late: only the ONNX runtime's environment has these libraries, and they take a second to load.
        from slipway_runtime.demo.embed_onnx import minilm_source, write_embedding_model

        return write_embedding_model(minilm_source(), target)

    return _shipped_or_written(EMBED_FOLDER, cache_dir, write)


def _words(name: str, cache_dir: Path) -> Path:
    def write(target: Path) -> Path:
        from slipway_runtime.demo.embed_onnx import minilm_source
        from slipway_runtime.demo.word_models import write_word_model

        return write_word_model(name, minilm_source(), target)

    return _shipped_or_written(f"{WORDS_FOLDER}{name}", cache_dir, write)


def _shipped(name: str, file: str, present: Callable[[Path], bool], script: str) -> Path:
    shipped = Path(__file__).with_name(file)
    if present(shipped):
        return shipped
    raise UnknownDemoModelError(
        f"this installation lacks {file}, which is demo://{name}: reinstall slipway, "
        f"or make it with examples/models/{name}/{script}"
    )


def _shipped_or_written(folder: str, cache_dir: Path, write: Callable[[Path], Path]) -> Path:
    shipped, written = Path(__file__).with_name(folder), cache_dir / folder
    # A folder appears complete or not at all.
    return next((candidate for candidate in (shipped, written) if candidate.is_dir()), None) or write(written)


DEMO_MODELS: Mapping[str, Callable[[Path], Path]] = MappingProxyType(
    {
        "chat": _chat,
        "embed": _embed,
        "images": _images,
        **{name: partial(_words, name) for name in ("rerank", "classify", "sparse")},
    }
)
VLLM_MODELS: Mapping[str, Callable[[Path], Path]] = MappingProxyType(
    {
        "chat": _chat_folder,
        "vision": _vision_folder,
        **{f"chat-lora-{name}": partial(_adapter, name) for name in ("brief", "pirate")},
    }
)
