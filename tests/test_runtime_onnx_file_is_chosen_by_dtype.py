"""Which of a model's ONNX files is loaded: by name, by the numbers it computes with, or the best there is."""

from typing import Any

import pytest

from slipway_crds.conditions import Reason
from slipway_crds.engines import EngineType
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.hub_files import select_files
from slipway_runtime.domain.onnx import Dtype, OnnxOptions, dtype_of, graph_of

HUB = ["config.json", "onnx/model.onnx", "onnx/model_O4.onnx", "onnx/model_qint8_avx512_vnni.onnx", "tokenizer.json"]


@pytest.mark.parametrize(
    ("names", "options", "chosen"),
    [
        (HUB, {}, "onnx/model.onnx"),
        (HUB, {"dtype": "float32"}, "onnx/model.onnx"),
        (HUB, {"dtype": "float16"}, "onnx/model_O4.onnx"),
        (HUB, {"dtype": "int8"}, "onnx/model_qint8_avx512_vnni.onnx"),
        (HUB, {"file": "onnx/model_O4.onnx"}, "onnx/model_O4.onnx"),
        (["model.onnx"], {}, "model.onnx"),
        (["onnx/model_fp16.onnx", "onnx/model_quantized.onnx"], {}, "onnx/model_fp16.onnx"),
        (["onnx/model_quantized.onnx"], {}, "onnx/model_quantized.onnx"),
    ],
)
def test_the_best_fitting_is_taken(names: list[str], options: dict[str, Any], chosen: str) -> None:
    assert graph_of(names, OnnxOptions(**options)) == chosen


@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        (["onnx/model.onnx"], {"dtype": "int8"}, "no ONNX file of int8; it has onnx/model.onnx: name one by --file"),
        (["weird.onnx"], {}, "no onnx/model.onnx or model.onnx; it has weird.onnx: name one by --file"),
        (["model.onnx"], {"file": "other.onnx"}, "no other.onnx; it has model.onnx"),
        (["model.safetensors"], {}, "it has no .onnx file: export the model to ONNX"),
    ],
)
def test_none_is_told_with_what_there_is(names: list[str], options: dict[str, Any], words: str) -> None:
    with pytest.raises(RuntimeFailure) as raised:
        graph_of(names, OnnxOptions(**options))
    assert raised.value.reason is Reason.WEIGHTS_INVALID
    assert words in raised.value.message


def test_of_a_repository_only_the_chosen_file_is_fetched() -> None:
    selection = select_files(EngineType.ONNX, HUB, None, ["--dtype=int8"])
    assert selection.entry == "onnx/model_qint8_avx512_vnni.onnx"
    assert set(selection.files) == {selection.entry, "config.json", "tokenizer.json"}


@pytest.mark.parametrize(
    ("path", "dtype"),
    [("onnx/model.onnx", Dtype.FLOAT32), ("onnx/model_O4.onnx", Dtype.FLOAT16), ("model_int8.onnx", Dtype.INT8)],
)
def test_the_name_tells_the_numbers(path: str, dtype: Dtype) -> None:
    assert dtype_of(path) is dtype
