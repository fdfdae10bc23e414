"""The graphs of ``demo://rerank``, ``demo://classify`` and ``demo://sparse``: small, and without anything learnt.

Inputs and outputs are those of a BERT with the head in question. Tables are kept in half precision, for size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from slipway_runtime.demo.bert_graph import INPUTS, IR_VERSION, OPSET, Array
from slipway_runtime.demo.word_table import WordTable

LOGITS = "logits"
_UNRELATED = -1.0
"""Similarity to a token that is not there."""
_STEEPNESS, _MIDDLE = 12.0, 0.5
_NEIGHBOUR = 0.6
"""Similarity from which a word stands for another in a sparse embedding."""
_TINY = 1e-6


def rerank_graph(table: WordTable) -> onnx.ModelProto:
    """(batch, 1): how well the words of the first segment are found in the second, frequent ones counting little."""
    graph = _Builder(table)
    first = graph.node("Sub", graph.number("one", 1), graph.cast("token_type_ids"))
    second = graph.node("Mul", graph.cast("token_type_ids"), graph.cast("attention_mask"))
    weights = graph.node("Mul", graph.weights(), first)
    vectors = graph.vectors()
    similar = graph.node("MatMul", vectors, graph.node("Transpose", vectors, perm=[0, 2, 1]))
    there = graph.node("Greater", graph.node("Unsqueeze", second, graph.axes(1)), graph.number("zero", 0))
    similar = graph.node("Where", there, similar, graph.number("unrelated", _UNRELATED))
    best = graph.node("ReduceMax", similar, graph.axes(2), keepdims=0)
    found = graph.mean(best, weights)
    steep = graph.node("Sub", found, graph.number("middle", _MIDDLE))
    graph.node("Mul", steep, graph.number("steepness", _STEEPNESS), output=LOGITS)
    return graph.model("rerank", [1])


def classify_graph(table: WordTable, labels: list[list[int]]) -> onnx.ModelProto:
    """(batch, labels): which label's words, given as token ids, those of the text are closest to."""
    graph = _Builder(table)
    centres = np.stack([table.vectors[ids].mean(axis=0) for ids in labels], axis=1)
    centres = centres - centres.mean(axis=1, keepdims=True)
    weights = graph.node("Mul", graph.weights(), graph.cast("attention_mask"))
    scores = graph.node("MatMul", graph.vectors(), graph.constant("centres", centres.astype(np.float32)))
    # The words that say most about the label decide, not all the others.
    strength = graph.node("ReduceMax", graph.node("Abs", scores), graph.axes(2), keepdims=0)
    strength = graph.node("Mul", graph.node("Mul", strength, strength), weights)
    steepness = graph.number("steepness", _STEEPNESS)
    averages = [graph.mean(graph.column(scores, index), strength) for index in range(len(labels))]
    graph.node("Mul", graph.node("Concat", *averages, axis=1), steepness, output=LOGITS)
    return graph.model("classify", [len(labels)])


def sparse_graph(table: WordTable) -> onnx.ModelProto:
    """(batch, sequence, vocabulary): each token's weight for the words that mean what it means."""
    graph = _Builder(table)
    everything = graph.node("Transpose", graph.table("vectors", table.vectors), perm=[1, 0])
    similar = graph.node("MatMul", graph.vectors(), everything)
    near = graph.node("Relu", graph.node("Sub", similar, graph.number("neighbour", _NEIGHBOUR)))
    weights = graph.node("Unsqueeze", graph.weights(), graph.axes(2))
    scaled = graph.node("Mul", weights, graph.number("scale", 1 / (1 - _NEIGHBOUR)))
    graph.node("Mul", near, scaled, output=LOGITS)
    return graph.model("sparse", ["sequence", len(table.weights)])


class _Builder:
    """Nodes and constants of one graph."""

    def __init__(self, table: WordTable) -> None:
        self._words = table
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def node(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"{operator}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [output], name=f"node_{output}", **attributes))
        return output

    def constant(self, name: str, value: Array) -> str:
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
        return name

    def number(self, name: str, value: float) -> str:
        return self.constant(name, np.array(value, np.float32))

    def axes(self, axis: int) -> str:
        return self.constant(f"axis_{axis}", np.array([axis], np.int64))

    def cast(self, name: str) -> str:
        return self.node("Cast", name, to=TensorProto.FLOAT)

    def table(self, name: str, value: Array) -> str:
        return self.cast(self.constant(name, value.astype(np.float16)))

    def vectors(self) -> str:
        """(batch, sequence, dimensions) of the tokens."""
        return self.cast(
            self.node("Gather", self.constant("vectors", self._words.vectors.astype(np.float16)), INPUTS[0])
        )

    def weights(self) -> str:
        """(batch, sequence) of the tokens."""
        return self.cast(
            self.node("Gather", self.constant("weights", self._words.weights.astype(np.float16)), INPUTS[0])
        )

    def column(self, source: str, index: int) -> str:
        """(batch, sequence, n) → (batch, sequence)."""
        return self.node("Gather", source, self.constant(f"column_{index}", np.array(index, np.int64)), axis=2)

    def mean(self, values: str, weights: str) -> str:
        """(batch, 1): ``values`` of all tokens, weighted."""
        total = self.node("ReduceSum", self.node("Mul", values, weights), self.axes(1), keepdims=1)
        whole = self.node("ReduceSum", weights, self.axes(1), keepdims=1)
        return self.node("Div", total, self.node("Add", whole, self.number("tiny", _TINY)))

    def model(self, name: str, shape: list[int | str]) -> onnx.ModelProto:
        """The finished graph, whose output has ``shape`` behind the batch."""
        body = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"]) for name in INPUTS],
            [helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, ["batch", *shape])],
            initializer=list(self._constants.values()),
        )
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(body, opset_imports=[opset], ir_version=IR_VERSION, producer_name="slipway")
