"""The graph is laid out so that ONNX Runtime replaces its parts by fused kernels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import onnx
import onnxruntime

from slipway_runtime.demo import resolve_demo

LAYERS = 6


def test_residuals_normalisations_and_gelus_are_fused_in_every_layer(tmp_path: Path) -> None:
    model = resolve_demo("embed", tmp_path / "cache") / "onnx" / "model.onnx"
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    operators = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)

    assert operators["SkipLayerNormalization"] == 2 * LAYERS, operators
    assert operators["BiasGelu"] == LAYERS, operators
