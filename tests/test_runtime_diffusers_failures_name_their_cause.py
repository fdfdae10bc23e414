"""An image model that cannot be served ends its start with the reason."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from slipway_runtime.demo import resolve_demo
from tests import engines_environment
from tests.image_models import START_SECONDS, generate, image_model, pictures
from tests.runtimes import runtime

pytestmark = pytest.mark.engines


def failure(folder: Path, weights: Path, *arguments: str) -> tuple[int, dict[str, str]]:
    """Exit code and termination message of a runtime that serves ``weights``."""
    asked: dict[str, Any] = {"engine": "diffusers", "model_source": weights.as_uri(), "engine_args": arguments}
    with runtime(folder, python=engines_environment.python(), **asked) as process:
        return process.wait_for_exit(START_SECONDS), process.termination_message()


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A copy of the demo model that a test may spoil."""
    return Path(shutil.copytree(resolve_demo("images", tmp_path), tmp_path / "weights"))


def test_a_folder_of_another_layout(tmp_path: Path, weights: Path) -> None:
    (weights / "model_index.json").unlink()
    code, message = failure(tmp_path, weights)
    assert (code, message["reason"]) == (65, "WeightsInvalid")
    assert "has no model_index.json" in message["message"]


def test_weights_that_can_carry_code(tmp_path: Path, weights: Path) -> None:
    (weights / "unet" / "diffusion_pytorch_model.safetensors").rename(weights / "unet" / "diffusion_pytorch_model.bin")
    code, message = failure(tmp_path, weights)
    assert (code, message["reason"]) == (65, "WeightsInvalid")
    assert "unet has its weights in pickle format only" in message["message"]


def test_weights_that_are_cut_short(tmp_path: Path, weights: Path) -> None:
    file = weights / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:100_000])
    code, message = failure(tmp_path, weights)
    assert (code, message["reason"]) == (65, "WeightsInvalid")
    assert "the pipeline cannot be loaded" in message["message"]


def test_a_pipeline_that_makes_something_else(tmp_path: Path, weights: Path) -> None:
    index = {"_class_name": "DDPMPipeline", "scheduler": ["diffusers", "DDPMScheduler"]}
    (weights / "model_index.json").write_text(json.dumps({**index, "unet": ["diffusers", "UNet2DConditionModel"]}))
    code, message = failure(tmp_path, weights)
    assert message["reason"] == "UnsupportedTask"
    assert "DDPMPipeline does not make pictures from prompts" in message["message"]
    assert code == 78


def test_an_unknown_argument(tmp_path: Path, weights: Path) -> None:
    code, message = failure(tmp_path, weights, "--max-image=3")
    assert (code, message["reason"]) == (78, "InvalidConfiguration")
    assert "did you mean --max-images?" in message["message"]


def test_memory_that_does_not_suffice_is_told_apart_from_bad_weights() -> None:
    program = """
import torch
from slipway_runtime.adapters.diffusers.loading import load_failure
for work in (lambda: torch.empty(2**60), lambda: torch.empty(-1)):
    try:
        work()
    except Exception as error:
        print(load_failure(error).reason)
"""
    ended = subprocess.run(
        [engines_environment.python(), "-c", program],
        env=engines_environment.import_path(),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=True,
    )
    assert ended.stdout.split() == ["OutOfMemory", "WeightsInvalid"]


def test_gpus_that_are_not_there_are_told(tmp_path: Path) -> None:
    with image_model(tmp_path, gpu_count=2) as process:
        state = process.state()
        assert state is not None
        assert state["device"] == "cpu"
        assert "2 GPUs were given, but PyTorch" in state["deviceFallback"]
        assert len(pictures(generate(process))) == 1
