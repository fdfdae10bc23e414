"""What a GGUF file says about its model, and whether that model can do what is asked of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from slipway_crds.conditions import Reason
from slipway_crds.engines import Task
from slipway_runtime.domain.failure import RuntimeFailure

_GENERATION: Final = frozenset({Task.CHAT, Task.COMPLETIONS})
_ENCODERS: Final = frozenset(
    {
        "bert",
        "eurobert",
        "gemma-embedding",
        "jina-bert-v2",
        "jina-bert-v3",
        "modern-bert",
        "neo-bert",
        "nomic-bert",
        "nomic-bert-moe",
        "t5encoder",
    }
)
"""llama.cpp's architectures that give vectors only (``llama-arch.cpp`` and ``llama_model_has_decoder``)."""
_SCORING_TENSORS: Final = frozenset({"cls.weight", "cls.output.weight"})
_CHAT_TEMPLATE: Final = "tokenizer.chat_template"


@dataclass(frozen=True)
class GgufHeader:
    """The metadata that is not a list, and the names of the tensors."""

    metadata: Mapping[str, str | int | float | bool]
    tensors: frozenset[str]

    @property
    def architecture(self) -> str:
        """llama.cpp's name for the kind of model; empty when the file does not say."""
        return str(self.metadata.get("general.architecture", ""))

    @property
    def parts(self) -> int:
        """Of how many files it is one; 1 when it is whole."""
        return int(self.metadata.get("split.count", 0)) or 1


def check_model(header: GgufHeader, tasks: Iterable[Task], chat_template: str) -> None:
    """Raise RuntimeFailure (WeightsInvalid, UnsupportedTask, ChatTemplateMissing) unless the model can do ``tasks``.

    llama.cpp itself would serve such a model all the same: with a template that the model has never seen, or with
    scores from a layer that is not there.
    """
    asked = set(tasks)
    if header.architecture in ("clip", "mmproj"):
        message = "the .gguf file is a vision projector, not a model; give the model's file and --mmproj for this one"
        raise RuntimeFailure(Reason.WEIGHTS_INVALID, message)
    if header.architecture in _ENCODERS and (generating := sorted(asked & _GENERATION)):
        message = (
            f"the model's architecture, {header.architecture}, cannot do {', '.join(generating)}; "
            "write tasks: [embeddings], or [rerank] for a reranker"
        )
        raise RuntimeFailure(Reason.UNSUPPORTED_TASK, message)
    # The first of several files need not hold the last layer.
    if Task.RERANK in asked and header.parts == 1 and not header.tensors & _SCORING_TENSORS:
        message = "the model cannot do rerank: its .gguf file has no tensor cls.weight or cls.output.weight"
        raise RuntimeFailure(Reason.UNSUPPORTED_TASK, message)
    if Task.CHAT in asked and not chat_template and not header.metadata.get(_CHAT_TEMPLATE):
        message = (
            f"the model has no chat template ({_CHAT_TEMPLATE} in its .gguf file); "
            "write tasks: [completions], or give one by --chat-template in engine.args"
        )
        raise RuntimeFailure(Reason.CHAT_TEMPLATE_MISSING, message)
