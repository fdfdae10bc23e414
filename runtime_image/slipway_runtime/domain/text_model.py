"""What a text model makes of its inputs: embeddings, sparse embeddings, labels or one relevance score."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from slipway_crds.conditions import Reason
from slipway_crds.engines import Task
from slipway_runtime.domain.failure import RuntimeFailure


class Kind(StrEnum):
    """By the head of the model."""

    EMBEDDING = "embedding"
    SPARSE = "sparse embedding"
    CLASSIFIER = "classifier"
    RERANKER = "reranker"

    @property
    def tasks(self) -> frozenset[Task]:
        """The tasks such a model can do."""
        return _TASKS[self]


_TASKS: Final[Mapping[Kind, frozenset[Task]]] = {
    Kind.EMBEDDING: frozenset({Task.EMBEDDINGS}),
    Kind.SPARSE: frozenset({Task.EMBEDDINGS}),
    Kind.CLASSIFIER: frozenset({Task.CLASSIFY}),
    Kind.RERANKER: frozenset({Task.RERANK, Task.CLASSIFY}),
}


@dataclass(frozen=True)
class Head:
    """The last step of a model."""

    kind: Kind
    labels: tuple[str, ...] = ()
    """Of a classifier or reranker, by index."""
    multi_label: bool = False
    """Whether several labels may be true of one text."""

    def scores(self, logits: Sequence[float]) -> list[float]:
        """Probabilities of the labels: each by itself for a single label or several true ones, else together."""
        if len(logits) == 1 or self.multi_label:
            return [_sigmoid(logit) for logit in logits]
        largest = max(logits)
        powers = [math.exp(logit - largest) for logit in logits]
        total = sum(powers)
        return [power / total for power in powers]


def head_of(config: Mapping[str, Any], *, splade: bool) -> Head:
    """The head that ``config.json`` describes; ``splade`` is whether sparse embeddings are wanted of the model.

    Raises RuntimeFailure (WeightsInvalid, InvalidConfiguration).
    """
    architectures = [str(name) for name in config.get("architectures") or ()]
    if any(name.endswith("ForSequenceClassification") for name in architectures):
        labels = _labels(config)
        kind = Kind.RERANKER if len(labels) == 1 else Kind.CLASSIFIER
        return Head(kind, labels, config.get("problem_type") == "multi_label_classification")
    if not splade:
        return Head(Kind.EMBEDDING)
    if not any(name.endswith("MaskedLM") for name in architectures):
        message = f"the pooling splade needs a masked-LM head; config.json has {architectures or 'no architectures'}"
        raise RuntimeFailure(Reason.INVALID_CONFIGURATION, message)
    return Head(Kind.SPARSE)


def check_tasks(head: Head, tasks: Sequence[Task]) -> None:
    """Raise RuntimeFailure (UnsupportedTask) when the weights cannot do one of ``tasks``."""
    unable = [task for task in tasks if task not in head.kind.tasks]
    if unable:
        can = ", ".join(task for task in Task if task in head.kind.tasks)
        labels = f" with {len(head.labels)} label{'s' * (len(head.labels) != 1)}" if head.labels else ""
        message = f"the model is a {head.kind}{labels} and cannot do {', '.join(unable)}; write tasks: [{can}]"
        raise RuntimeFailure(Reason.UNSUPPORTED_TASK, message)


def _labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    named = config.get("id2label")
    if named is None:
        # The default of transformers, whose configurations leave defaults out.
        return tuple(f"LABEL_{index}" for index in range(int(config.get("num_labels") or 2)))
    try:
        by_index = {int(index): str(label) for index, label in named.items()}
        return tuple(by_index[index] for index in range(len(by_index)))
    except (AttributeError, KeyError, ValueError) as error:
        message = "id2label of config.json must give a name to each index, counted from 0"
        raise RuntimeFailure(Reason.WEIGHTS_INVALID, message) from error


def _sigmoid(logit: float) -> float:
    # Two forms, since either overflows on one side.
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    power = math.exp(logit)
    return power / (1 + power)
