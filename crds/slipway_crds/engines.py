"""Engines, the tasks they can do, and what each needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Task(StrEnum):
    """What a model can be asked to do."""

    CHAT = "chat"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    RERANK = "rerank"
    CLASSIFY = "classify"
    IMAGES = "images"
    TRANSCRIPTIONS = "transcriptions"


class EngineType(StrEnum):
    """What runs the model."""

    VLLM = "vllm"
    LLAMACPP = "llamacpp"
    ONNX = "onnx"
    DIFFUSERS = "diffusers"
    TEI = "tei"
    EXTERNAL = "external"
    DUMMY = "dummy"


@dataclass(frozen=True)
class EngineFacts:
    """What is true of every model of one engine."""

    tasks: frozenset[Task]
    """Every task the engine can do."""
    default_tasks: tuple[Task, ...]
    """The tasks of a model that names none."""
    in_pod: bool = True
    """Whether Slipway runs pods for it."""


_TEXT: Final = (Task.CHAT, Task.COMPLETIONS)

ENGINES: Final[Mapping[EngineType, EngineFacts]] = MappingProxyType(
    {
        EngineType.VLLM: EngineFacts(frozenset(Task) - {Task.IMAGES}, _TEXT),
        EngineType.LLAMACPP: EngineFacts(frozenset({*_TEXT, Task.EMBEDDINGS, Task.RERANK}), _TEXT),
        EngineType.ONNX: EngineFacts(frozenset({Task.EMBEDDINGS, Task.RERANK, Task.CLASSIFY}), (Task.EMBEDDINGS,)),
        EngineType.DIFFUSERS: EngineFacts(frozenset({Task.IMAGES}), (Task.IMAGES,)),
        EngineType.TEI: EngineFacts(frozenset({Task.EMBEDDINGS, Task.RERANK, Task.CLASSIFY}), (Task.EMBEDDINGS,)),
        EngineType.EXTERNAL: EngineFacts(frozenset(Task), _TEXT, in_pod=False),
        EngineType.DUMMY: EngineFacts(frozenset({*_TEXT, Task.EMBEDDINGS}), (*_TEXT, Task.EMBEDDINGS)),
    }
)
