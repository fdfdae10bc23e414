"""Which files of a folder or repository are the model."""

import pytest

from slipway_crds.conditions import Reason
from slipway_crds.engines import EngineType
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.hub_files import Selection, select_files

SPLIT = ["big-00001-of-00003.gguf", "big-00002-of-00003.gguf", "big-00003-of-00003.gguf"]


def test_all_parts_of_a_split_gguf_are_fetched() -> None:
    names = [*SPLIT, "other.gguf", "README.md"]
    assert select_files(EngineType.LLAMACPP, names, "big*") == Selection(tuple(SPLIT), SPLIT[0])


def test_the_engines_arguments_say_which_gguf_and_its_projector_comes_with_it() -> None:
    names = ["m-Q4_K_M.gguf", "m-Q8_0.gguf", "mmproj-m-f16.gguf"]
    chosen = select_files(EngineType.LLAMACPP, names, None, ["--file=*Q8_0.gguf"])
    assert chosen == Selection(("m-Q8_0.gguf", "mmproj-m-f16.gguf"), "m-Q8_0.gguf")


def test_onnx_takes_the_graph_its_data_and_the_small_files() -> None:
    names = [
        "README.md",
        "config.json",
        "tokenizer.json",
        "1_Pooling/config.json",
        "onnx/model.onnx",
        "onnx/model.onnx_data",
        "onnx/model_O3.onnx",
        "pytorch_model.bin",
    ]
    chosen = select_files(EngineType.ONNX, names, None)
    assert chosen.entry == "onnx/model.onnx"
    assert set(chosen.files) == {
        "onnx/model.onnx",
        "onnx/model.onnx_data",
        "config.json",
        "tokenizer.json",
        "1_Pooling/config.json",
    }
    assert select_files(EngineType.ONNX, names, "onnx/model_O3.onnx").entry == "onnx/model_O3.onnx"


def test_onnx_without_a_graph_is_invalid_weights() -> None:
    with pytest.raises(RuntimeFailure, match=r"no onnx/model\.onnx or model\.onnx") as raised:
        select_files(EngineType.ONNX, ["config.json"], None)
    assert raised.value.reason is Reason.WEIGHTS_INVALID


@pytest.mark.parametrize(
    ("names", "left_out"),
    [
        (["model.safetensors", "config.json"], ["pytorch_model.bin", "onnx/model.onnx", "tf_model.h5", "m-Q4.gguf"]),
        (["model-00001-of-00002.safetensors"], ["consolidated.safetensors", "original/consolidated.00.pth"]),
        (["consolidated.safetensors", "params.json", "tekken.json"], []),
        (["pytorch_model.bin", "1_Pooling/config.json"], ["flax_model.msgpack"]),
    ],
)
def test_vllm_takes_the_weights_in_one_format(names: list[str], left_out: list[str]) -> None:
    assert select_files(EngineType.VLLM, names + left_out, None) == Selection(tuple(names))


def test_vllm_takes_all_that_a_pattern_matches() -> None:
    assert select_files(EngineType.VLLM, ["a", "b/c"], "b/*") == Selection(("b/c",))
