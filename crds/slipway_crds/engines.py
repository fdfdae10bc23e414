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


class Operation(StrEnum):
    """One call of an inference API. Routers and engines know its path."""

    CHAT_COMPLETIONS = "chat_completions"
    COMPLETIONS = "completions"
    RESPONSES = "responses"
    """OpenAI's successor of chat completions."""
    MESSAGES = "messages"
    """Anthropic's."""
    EMBEDDINGS = "embeddings"
    RERANK = "rerank"
    CLASSIFY = "classify"
    POOLING = "pooling"
    """vLLM's: whatever the model's pooler gives."""
    IMAGES_GENERATIONS = "images_generations"
    IMAGES_EDITS = "images_edits"
    AUDIO_TRANSCRIPTIONS = "audio_transcriptions"
    AUDIO_TRANSLATIONS = "audio_translations"
    TOKENIZE = "tokenize"
    DETOKENIZE = "detokenize"
    TEI_EMBED = "tei_embed"
    TEI_EMBED_ALL = "tei_embed_all"
    TEI_EMBED_SPARSE = "tei_embed_sparse"
    TEI_RERANK = "tei_rerank"
    TEI_PREDICT = "tei_predict"
    TEI_SIMILARITY = "tei_similarity"
    TEI_TOKENIZE = "tei_tokenize"
    TEI_DECODE = "tei_decode"
    TEI_INFO = "tei_info"
    """text-embeddings-inference's, as all `TEI_` ones."""


class StreamUsage(StrEnum):
    """How an engine tells in a stream of chat or text completions what it has counted."""

    FINAL = "final"
    """In one more chunk at the end, for ``stream_options.include_usage``."""
    CONTINUOUS = "continuous"
    """Also in every chunk, for ``stream_options.continuous_usage_stats``."""
    TIMINGS = "timings"
    """Also in every chunk, as ``timings``, for ``timings_per_token``."""


@dataclass(frozen=True)
class EngineFacts:
    """What is true of every model of one engine."""

    tasks: frozenset[Task]
    """Every task the engine can do."""
    default_tasks: tuple[Task, ...]
    """The tasks of a model that names none."""
    operations: frozenset[Operation]
    """Every call the engine answers; a model answers those that one of its tasks opens."""
    in_pod: bool = True
    """Whether Slipway runs pods for it."""
    stream_usage: StreamUsage = StreamUsage.FINAL


_TEXT: Final = (Task.CHAT, Task.COMPLETIONS)
_CHAT: Final = frozenset({Task.CHAT})
_IMAGES: Final = frozenset({Task.IMAGES})
_SPEECH: Final = frozenset({Task.TRANSCRIPTIONS})
_EMBEDDINGS: Final = frozenset({Task.EMBEDDINGS})
_RERANK: Final = frozenset({Task.RERANK})
_CLASSIFY: Final = frozenset({Task.CLASSIFY})
_ANY: Final = frozenset(Task)

OPERATION_TASKS: Final[Mapping[Operation, frozenset[Task]]] = MappingProxyType(
    {
        Operation.CHAT_COMPLETIONS: _CHAT,
        Operation.COMPLETIONS: frozenset({Task.COMPLETIONS}),
        Operation.RESPONSES: _CHAT,
        Operation.MESSAGES: _CHAT,
        Operation.EMBEDDINGS: _EMBEDDINGS,
        Operation.RERANK: _RERANK,
        Operation.CLASSIFY: _CLASSIFY,
        Operation.POOLING: _EMBEDDINGS | _CLASSIFY,
        Operation.IMAGES_GENERATIONS: _IMAGES,
        Operation.IMAGES_EDITS: _IMAGES,
        Operation.AUDIO_TRANSCRIPTIONS: _SPEECH,
        Operation.AUDIO_TRANSLATIONS: _SPEECH,
        Operation.TOKENIZE: _ANY,
        Operation.DETOKENIZE: _ANY,
        Operation.TEI_EMBED: _EMBEDDINGS,
        Operation.TEI_EMBED_ALL: _EMBEDDINGS,
        Operation.TEI_EMBED_SPARSE: _EMBEDDINGS,
        Operation.TEI_RERANK: _RERANK,
        Operation.TEI_PREDICT: _CLASSIFY,
        Operation.TEI_SIMILARITY: _EMBEDDINGS,
        Operation.TEI_TOKENIZE: _ANY,
        Operation.TEI_DECODE: _ANY,
        Operation.TEI_INFO: _ANY,
    }
)
"""The tasks that open an operation; one of them is enough."""

_GENERATE: Final = frozenset(
    {Operation.CHAT_COMPLETIONS, Operation.COMPLETIONS, Operation.RESPONSES, Operation.MESSAGES}
)
_TOKENS: Final = frozenset({Operation.TOKENIZE, Operation.DETOKENIZE})
_AUDIO: Final = frozenset({Operation.AUDIO_TRANSCRIPTIONS, Operation.AUDIO_TRANSLATIONS})
_TEI: Final = frozenset(operation for operation in Operation if operation.startswith("tei_"))
_TEI_TASKS: Final = frozenset({Task.EMBEDDINGS, Task.RERANK, Task.CLASSIFY})

ENGINES: Final[Mapping[EngineType, EngineFacts]] = MappingProxyType(
    {
        EngineType.VLLM: EngineFacts(
            _ANY - _IMAGES,
            _TEXT,
            _GENERATE
            | _TOKENS
            | _AUDIO
            | {Operation.EMBEDDINGS, Operation.RERANK, Operation.CLASSIFY, Operation.POOLING},
            stream_usage=StreamUsage.CONTINUOUS,
        ),
        EngineType.LLAMACPP: EngineFacts(
            frozenset({*_TEXT, Task.EMBEDDINGS, Task.RERANK}),
            _TEXT,
            _GENERATE | _TOKENS | {Operation.EMBEDDINGS, Operation.RERANK},
            stream_usage=StreamUsage.TIMINGS,
        ),
        EngineType.ONNX: EngineFacts(
            _TEI_TASKS, (Task.EMBEDDINGS,), _TEI | {Operation.EMBEDDINGS, Operation.RERANK, Operation.CLASSIFY}
        ),
        EngineType.DIFFUSERS: EngineFacts(
            _IMAGES, (Task.IMAGES,), frozenset({Operation.IMAGES_GENERATIONS, Operation.IMAGES_EDITS})
        ),
        EngineType.TEI: EngineFacts(_TEI_TASKS, (Task.EMBEDDINGS,), _TEI | {Operation.EMBEDDINGS}),
        EngineType.EXTERNAL: EngineFacts(_ANY, _TEXT, frozenset(Operation) - _TEI, in_pod=False),
        EngineType.DUMMY: EngineFacts(
            frozenset({*_TEXT, Task.EMBEDDINGS}),
            (*_TEXT, Task.EMBEDDINGS),
            frozenset({Operation.CHAT_COMPLETIONS, Operation.COMPLETIONS, Operation.EMBEDDINGS}),
            stream_usage=StreamUsage.CONTINUOUS,
        ),
    }
)
