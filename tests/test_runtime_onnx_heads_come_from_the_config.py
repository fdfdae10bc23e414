"""Whether a model embeds, classifies or ranks is what its config.json says, and it must suit the tasks."""

from typing import Any

import pytest

from slipway_crds.conditions import Reason
from slipway_crds.engines import Task
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.text_model import Head, Kind, check_tasks, head_of

CLASSIFICATION = {"architectures": ["XLMRobertaForSequenceClassification"]}
LABELLED = {"1": "joy", "0": "anger", "2": "fear"}


@pytest.mark.parametrize(
    ("config", "head"),
    [
        ({"architectures": ["BertModel"]}, Head(Kind.EMBEDDING)),
        ({}, Head(Kind.EMBEDDING)),
        ({"architectures": ["BertForMaskedLM"]}, Head(Kind.EMBEDDING)),
        (CLASSIFICATION | {"id2label": {"0": "LABEL_0"}}, Head(Kind.RERANKER, ("LABEL_0",))),
        (CLASSIFICATION | {"num_labels": 1}, Head(Kind.RERANKER, ("LABEL_0",))),
        (CLASSIFICATION, Head(Kind.CLASSIFIER, ("LABEL_0", "LABEL_1"))),
        (CLASSIFICATION | {"id2label": LABELLED}, Head(Kind.CLASSIFIER, ("anger", "joy", "fear"))),
        (
            CLASSIFICATION | {"id2label": LABELLED, "problem_type": "multi_label_classification"},
            Head(Kind.CLASSIFIER, ("anger", "joy", "fear"), multi_label=True),
        ),
    ],
)
def test_the_head_is_read(config: dict[str, Any], head: Head) -> None:
    assert head_of(config, splade=False) == head


def test_sparse_embeddings_need_a_masked_lm_head() -> None:
    assert head_of({"architectures": ["BertForMaskedLM"]}, splade=True) == Head(Kind.SPARSE)
    with pytest.raises(RuntimeFailure, match="needs a masked-LM head") as raised:
        head_of({"architectures": ["BertModel"]}, splade=True)
    assert raised.value.reason is Reason.INVALID_CONFIGURATION


@pytest.mark.parametrize("labels", [{"0": "a", "2": "b"}, {"zero": "a"}, ["a", "b"]])
def test_labels_without_their_index_are_invalid(labels: Any) -> None:
    with pytest.raises(RuntimeFailure, match="id2label") as raised:
        head_of(CLASSIFICATION | {"id2label": labels}, splade=False)
    assert raised.value.reason is Reason.WEIGHTS_INVALID


@pytest.mark.parametrize(
    ("head", "tasks", "words"),
    [
        (Head(Kind.EMBEDDING), (Task.RERANK,), "embedding and cannot do rerank; write tasks: [embeddings]"),
        (
            Head(Kind.RERANKER, ("a",)),
            (Task.EMBEDDINGS,),
            "reranker with 1 label and cannot do embeddings; write tasks",
        ),
        (Head(Kind.CLASSIFIER, ("a", "b")), (Task.RERANK, Task.CLASSIFY), "with 2 labels and cannot do rerank"),
        (Head(Kind.EMBEDDING), (Task.EMBEDDINGS, Task.CHAT), "cannot do chat"),
    ],
)
def test_a_task_that_the_weights_cannot_do_is_refused(head: Head, tasks: tuple[Task, ...], words: str) -> None:
    with pytest.raises(RuntimeFailure) as raised:
        check_tasks(head, tasks)
    assert raised.value.reason is Reason.UNSUPPORTED_TASK
    assert words in raised.value.message


def test_tasks_that_suit_pass() -> None:
    check_tasks(Head(Kind.RERANKER, ("a",)), (Task.RERANK, Task.CLASSIFY))
    check_tasks(Head(Kind.SPARSE), (Task.EMBEDDINGS,))


def test_scores_are_probabilities() -> None:
    one = Head(Kind.RERANKER, ("a",))
    assert one.scores([0.0]) == [0.5]
    assert one.scores([-1000.0]) == [0.0]
    assert one.scores([1000.0]) == [1.0]
    two = Head(Kind.CLASSIFIER, ("a", "b"))
    assert two.scores([1000.0, 1000.0]) == [0.5, 0.5]
    assert two.scores([2.0, 1.0]) == pytest.approx([0.731, 0.269], abs=1e-3)
    assert Head(Kind.CLASSIFIER, ("a", "b"), multi_label=True).scores([0.0, 0.0]) == [0.5, 0.5]
