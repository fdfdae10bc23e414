"""Of a repository only what a pipeline needs is fetched, and a folder that must not be loaded is refused unread."""

from typing import Any

import pytest

from slipway_crds.conditions import Reason
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.images_folder import check_folder, pipeline_files

INDEX: dict[str, Any] = {
    "_class_name": "StableDiffusionPipeline",
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "unet": ["diffusers", "UNet2DConditionModel"],
}
REPOSITORY = [
    "README.md",
    "model_index.json",
    "all-in-one.safetensors",
    "scheduler/scheduler_config.json",
    "tokenizer/merges.txt",
    "unet/config.json",
    "unet/diffusion_pytorch_model.bin",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.onnx",
    "unet/diffusion_pytorch_model.safetensors",
    "text_encoder/model-00001-of-00002.safetensors",
    "text_encoder/model-00002-of-00002.safetensors",
    "text_encoder/model.safetensors.index.json",
]
SMALL = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "tokenizer/merges.txt",
    "unet/config.json",
    "text_encoder/model.safetensors.index.json",
]
SHARDS = ["text_encoder/model-00001-of-00002.safetensors", "text_encoder/model-00002-of-00002.safetensors"]


def test_each_weight_is_fetched_once() -> None:
    files = pipeline_files(REPOSITORY, None, allow_pickle=False)
    assert sorted(files) == sorted([*SMALL, *SHARDS, "unet/diffusion_pytorch_model.safetensors"])


def test_a_variant_is_fetched_where_there_is_one() -> None:
    files = pipeline_files(REPOSITORY, "fp16", allow_pickle=False)
    assert sorted(files) == sorted([*SMALL, *SHARDS, "unet/diffusion_pytorch_model.fp16.safetensors"])


def test_pickles_are_fetched_only_where_they_are_allowed_and_there_is_nothing_else() -> None:
    names = ["model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.bin"]
    with pytest.raises(RuntimeFailure, match=r"unet .* pickle .*--allow-pickle"):
        pipeline_files(names, None, allow_pickle=False)
    assert "unet/diffusion_pytorch_model.bin" in pipeline_files(names, None, allow_pickle=True)
    assert "unet/diffusion_pytorch_model.bin" not in pipeline_files(REPOSITORY, None, allow_pickle=True)


def test_a_repository_of_another_layout_is_refused() -> None:
    with pytest.raises(RuntimeFailure, match=r"no model_index\.json") as raised:
        pipeline_files(["config.json", "model.safetensors"], None, allow_pickle=False)
    assert raised.value.reason is Reason.WEIGHTS_INVALID


def test_a_whole_folder_passes() -> None:
    check_folder(INDEX, REPOSITORY, allow_pickle=False)


@pytest.mark.parametrize(
    ("index", "files", "words"),
    [
        ([], REPOSITORY, "names no pipeline class"),
        ({**INDEX, "_class_name": ["pipeline", "Mine"]}, REPOSITORY, "code of its own"),
        (INDEX, ["scheduler/scheduler_config.json"], "component unet"),
        (INDEX, ["scheduler/c.json", "unet/config.json", "unet/model.bin"], "pickle format only"),
    ],
)
def test_what_must_not_be_loaded_is_told(index: object, files: list[str], words: str) -> None:
    with pytest.raises(RuntimeFailure, match=words) as raised:
        check_folder(index, files, allow_pickle=False)
    assert raised.value.reason is Reason.WEIGHTS_INVALID
