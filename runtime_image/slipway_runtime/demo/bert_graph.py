"""The graph of a BERT encoder in ONNX, built from its weights alone.

Only standard operators are used, so any ONNX runtime can run the result. They are laid out so that ONNX
Runtime's optimiser fuses them: every bias, residual and layer normalisation becomes one kernel, and so does
every bias with its GELU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array: TypeAlias = NDArray[Any]

# Opset 20 is the first with a Gelu operator; its files are read by ONNX Runtime 1.17 and newer.
OPSET = 20
IR_VERSION = 9
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUT = "last_hidden_state"
MASKED_SCORE = -10000.0


@dataclass(frozen=True, slots=True)
class BertShape:
    """The sizes of a BERT encoder that its weights do not tell, as Hugging Face's ``config.json`` names them."""

    num_hidden_layers: int
    num_attention_heads: int
    hidden_size: int
    layer_norm_eps: float

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_attention_heads


def bert_encoder(shape: BertShape, weight: Callable[[str], Array]) -> onnx.ModelProto:
    """Build the encoder: three int64 inputs of (batch, sequence), one float32 output of (batch, sequence, hidden).

    ``weight`` returns the tensor of a name as Hugging Face's BertModel names it, and raises KeyError for a
    name that the file lacks. Batch and sequence are free, the latter up to the number of position embeddings.
    """
    graph = _Graph(weight)
    mask = _additive_mask(graph)
    hidden = _embeddings(graph, shape)
    for index in range(shape.num_hidden_layers):
        output = OUTPUT if index == shape.num_hidden_layers - 1 else ""
        hidden = _layer(graph, shape, f"encoder.layer.{index}", hidden, mask, output)
    return _model(graph, shape)


@dataclass
class _Graph:
    """Nodes and constants gathered so far; the short-lived notebook of one `bert_encoder` call."""

    weight: Callable[[str], Array]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)
    shapes: list[onnx.ValueInfoProto] = field(default_factory=list)

    def node(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=f"node_{output}", **attributes))
        return output

    def constant(self, name: str, value: Array) -> str:
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def tensor(self, name: str) -> str:
        return self.constant(name, self.weight(name))

    def linear(self, name: str, source: str) -> str:
        """Apply a torch Linear: its weight is stored (out, in), MatMul wants (in, out)."""
        kernel = self.constant(f"{name}.weight", self.weight(f"{name}.weight").T)
        return self.node("Add", self.node("MatMul", source, kernel), self.tensor(f"{name}.bias"))

    def layer_norm(self, name: str, source: str, shape: BertShape, output: str = "") -> str:
        scale, bias = self.tensor(f"{name}.weight"), self.tensor(f"{name}.bias")
        return self.node(
            "LayerNormalization", source, scale, bias, output=output, axis=-1, epsilon=shape.layer_norm_eps
        )


def _additive_mask(graph: _Graph) -> str:
    """(batch, sequence) of 1 and 0 → (batch, 1, 1, sequence) of 0 and a score that softmax turns into 0."""
    mask = graph.node("Unsqueeze", "attention_mask", graph.constant("axis_1", np.array([1], np.int64)))
    mask = graph.node("Unsqueeze", mask, graph.constant("axis_2", np.array([2], np.int64)))
    mask = graph.node("Cast", mask, to=TensorProto.FLOAT)
    hidden = graph.node("Sub", graph.constant("one", np.array(1, np.float32)), mask)
    return graph.node("Mul", hidden, graph.constant("masked_score", np.array(MASKED_SCORE, np.float32)))


def _embeddings(graph: _Graph, shape: BertShape) -> str:
    words = graph.node("Gather", graph.tensor("embeddings.word_embeddings.weight"), "input_ids")
    kinds = graph.node("Gather", graph.tensor("embeddings.token_type_embeddings.weight"), "token_type_ids")
    length = graph.node("Shape", "input_ids", start=1, end=2)
    table = graph.tensor("embeddings.position_embeddings.weight")
    zero = graph.constant("axis_0", np.array([0], np.int64))
    positions = graph.node("Slice", table, zero, length, zero)
    # Shape inference cannot tell how long the slice is, and without that no addition below would be fused.
    graph.shapes.append(helper.make_tensor_value_info(positions, TensorProto.FLOAT, ["sequence", shape.hidden_size]))
    summed = graph.node("Add", graph.node("Add", words, kinds), positions)
    return graph.layer_norm("embeddings.LayerNorm", summed, shape)


def _layer(graph: _Graph, shape: BertShape, name: str, source: str, mask: str, output: str) -> str:
    context = _attention(graph, shape, f"{name}.attention.self", source, mask)
    attended = graph.node("Add", graph.linear(f"{name}.attention.output.dense", context), source)
    attended = graph.layer_norm(f"{name}.attention.output.LayerNorm", attended, shape)
    wide = graph.node("Gelu", graph.linear(f"{name}.intermediate.dense", attended), approximate="none")
    narrow = graph.node("Add", graph.linear(f"{name}.output.dense", wide), attended)
    return graph.layer_norm(f"{name}.output.LayerNorm", narrow, shape, output)


def _attention(graph: _Graph, shape: BertShape, name: str, source: str, mask: str) -> str:
    query = _heads(graph, shape, graph.linear(f"{name}.query", source), (0, 2, 1, 3))
    key = _heads(graph, shape, graph.linear(f"{name}.key", source), (0, 2, 3, 1))
    value = _heads(graph, shape, graph.linear(f"{name}.value", source), (0, 2, 1, 3))
    scale = graph.constant("attention_scale", np.array(math.sqrt(shape.head_size), np.float32))
    scores = graph.node("Div", graph.node("MatMul", query, key), scale)
    weights = graph.node("Softmax", graph.node("Add", scores, mask), axis=-1)
    context = graph.node("Transpose", graph.node("MatMul", weights, value), perm=(0, 2, 1, 3))
    return graph.node("Reshape", context, graph.constant("joined", np.array([0, 0, shape.hidden_size], np.int64)))


def _heads(graph: _Graph, shape: BertShape, source: str, order: tuple[int, ...]) -> str:
    sizes = np.array([0, 0, shape.num_attention_heads, shape.head_size], np.int64)
    return graph.node("Transpose", graph.node("Reshape", source, graph.constant("split", sizes)), perm=order)


def _model(graph: _Graph, shape: BertShape) -> onnx.ModelProto:
    axes = ["batch", "sequence"]
    body = helper.make_graph(
        graph.nodes,
        "bert_encoder",
        [helper.make_tensor_value_info(name, TensorProto.INT64, axes) for name in INPUTS],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [*axes, shape.hidden_size])],
        value_info=graph.shapes,
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(body, opset_imports=[opset], ir_version=IR_VERSION, producer_name="slipway")
    # The helpers above copy what they are given. The weights are moved in one by one instead, so that memory
    # holds them once, not three times.
    while graph.constants:
        model.graph.initializer.append(graph.constants.pop(next(iter(graph.constants))))
    return model
