"""GPUs for llama.cpp: how layers are shared out, and why a model runs on the CPU although it was given GPUs."""

from typing import Any

import pytest

from slipway_crds.engines import Task
from slipway_runtime.adapters.llamacpp.devices import Device, Found, choose_device, found_devices
from slipway_runtime.adapters.llamacpp.server import parameters
from slipway_runtime.domain.arguments import parse_arguments
from slipway_runtime.domain.llamacpp import LlamaCppOptions, LlamaServerConfig

CPU = Found("CPU", "CPU")
GPU = Found("CUDA0", "GPU")


@pytest.mark.parametrize(
    ("gpus", "layers", "found", "device"),
    [
        (0, None, (), Device("cpu")),
        (0, None, (CPU, GPU), Device("cpu")),
        (2, None, (CPU, GPU), Device("cuda")),
        (1, 20, (CPU, GPU), Device("cuda")),
        (1, 0, (CPU, GPU), Device("cpu", "engine.args has --n-gpu-layers=0")),
    ],
)
def test_the_device_is_the_one_that_was_given(
    gpus: int, layers: int | None, found: tuple[Found, ...], device: Device
) -> None:
    assert choose_device(gpus, layers, found) == device


@pytest.mark.parametrize(("found", "names"), [((CPU,), "only CPU"), ((), "only none")])
def test_a_llama_without_cuda_is_told(found: tuple[Found, ...], names: str) -> None:
    device = choose_device(1, None, found)
    assert device.name == "cpu"
    assert device.fallback is not None
    assert names in device.fallback


def test_the_devices_are_those_of_the_library() -> None:
    assert "CPU" in {device.kind for device in found_devices()}


def config(*arguments: str, **fields: Any) -> LlamaServerConfig:
    defaults: dict[str, Any] = {
        "model_path": "m.gguf",
        "mmproj_path": None,
        "served_names": ("m",),
        "tasks": (Task.CHAT,),
        "host": "127.0.0.1",
        "port": 1,
        "slots": 3,
        "threads": 2,
        "gpu": True,
        "options": parse_arguments("llamacpp", arguments, LlamaCppOptions),
    }
    return LlamaServerConfig(**{**defaults, **fields})


@pytest.mark.parametrize(
    ("given", "layers", "fit"),
    [
        (config(), -1, True),
        (config("--n-gpu-layers=7"), 7, False),
        (config(gpu=False), 0, False),
    ],
)
def test_as_many_layers_as_fit_are_on_the_gpu_unless_told(given: LlamaServerConfig, layers: int, fit: bool) -> None:
    params = parameters(given)
    assert (params.n_gpu_layers, params.fit_params) == (layers, fit)
    assert params.mmproj_use_gpu is given.gpu


def test_several_gpus_share_as_told() -> None:
    params = parameters(config("--tensor-split=3,1.5", "--split-mode=row", "--main-gpu=1"))
    assert params.tensor_split[:3] == [3.0, 1.5, 0.0]
    assert int(params.split_mode) == 2
    assert params.main_gpu == 1


def test_the_vision_projector_and_the_slots_are_handed_on() -> None:
    params = parameters(config(mmproj_path="mmproj.gguf"))
    assert params.mmproj.path == "mmproj.gguf"
    assert params.n_parallel == 3
