"""Metrics of the GPUs that a runtime may use: whole ones, MIG devices, and none without a driver."""

import pytest

from slipway_runtime.adapters.metrics import runtime_metrics
from slipway_runtime.adapters.nvml import NvmlGpus, nvml_gpus
from slipway_runtime.domain.gpus import Gpu, VisibleGpus
from slipway_runtime.domain.phases import Phase
from slipway_runtime.domain.state import StateReport
from tests.fakes.nvml import FakeGpu, FakeNvml

TWO = (FakeGpu("GPU-aaaa"), FakeGpu("GPU-bbbb"))
DIVIDED = FakeGpu("GPU-cccc", parts={0: FakeGpu("MIG-1111", "MIG 1g.10gb", 3, 10), 2: FakeGpu("MIG-2222")})


def uuids(*gpus: FakeGpu, **environ: str) -> list[str]:
    return [gpu.uuid for gpu in NvmlGpus(FakeNvml(*gpus), VisibleGpus(environ)).read()]


def test_a_gpu_is_read() -> None:
    (gpu,) = NvmlGpus(FakeNvml(TWO[0]), VisibleGpus({})).read()
    assert gpu == Gpu("0", "GPU-aaaa", "NVIDIA H100", False, 10, 80, 0.42, 55, 123.4)


def test_what_the_driver_does_not_tell_is_left_out() -> None:
    silent = FakeGpu("GPU-dddd", used=None, utilization=None, temperature=None, milliwatts=None)
    (gpu,) = NvmlGpus(FakeNvml(silent), VisibleGpus({})).read()
    assert gpu == Gpu("0", "GPU-dddd", "NVIDIA H100", False, None, None)


def test_a_divided_gpu_is_its_mig_devices_with_their_memory_only() -> None:
    first, second = NvmlGpus(FakeNvml(DIVIDED), VisibleGpus({})).read()
    assert first == Gpu("0:0", "MIG-1111", "MIG 1g.10gb", True, 3, 10)
    assert (second.index, second.uuid, second.utilization) == ("0:2", "MIG-2222", None)


@pytest.mark.parametrize(
    ("environ", "seen"),
    [
        ({}, ["GPU-aaaa", "GPU-bbbb", "MIG-1111", "MIG-2222"]),
        ({"CUDA_VISIBLE_DEVICES": "1"}, ["GPU-bbbb"]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-a,MIG-22"}, ["GPU-aaaa", "MIG-2222"]),
        ({"CUDA_VISIBLE_DEVICES": "0,-1,1"}, ["GPU-aaaa"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, []),
        ({"NVIDIA_VISIBLE_DEVICES": "all"}, ["GPU-aaaa", "GPU-bbbb", "MIG-1111", "MIG-2222"]),
        ({"NVIDIA_VISIBLE_DEVICES": "void"}, []),
        ({"NVIDIA_VISIBLE_DEVICES": "GPU-bbbb"}, ["GPU-bbbb"]),
        ({"NVIDIA_VISIBLE_DEVICES": "5,7"}, ["GPU-aaaa", "GPU-bbbb", "MIG-1111", "MIG-2222"]),
    ],
)
def test_only_visible_ones_are_read(environ: dict[str, str], seen: list[str]) -> None:
    assert uuids(*TWO, DIVIDED, **environ) == seen


def test_a_lost_gpu_stops_nothing() -> None:
    library = FakeNvml(*TWO)
    library.lost = True
    assert NvmlGpus(library, VisibleGpus({})).read() == ()


def test_without_a_driver_there_are_none() -> None:
    assert nvml_gpus(VisibleGpus({"CUDA_VISIBLE_DEVICES": ""})).read() == ()


def report() -> StateReport:
    return StateReport("chat", "vllm", "cuda", None, Phase.READY, {}, 0, None, 0, None)


def test_metrics_carry_model_and_device() -> None:
    text = runtime_metrics(report(), NvmlGpus(FakeNvml(TWO[0], DIVIDED), VisibleGpus({})).read())
    whole = 'device="0",mig="false",model="chat",name="NVIDIA H100",uuid="GPU-aaaa"'
    assert f"slipway_runtime_gpu_utilization_ratio{{{whole}}} 0.42" in text
    assert f"slipway_runtime_gpu_memory_used_bytes{{{whole}}} 10.0" in text
    assert f"slipway_runtime_gpu_memory_total_bytes{{{whole}}} 80.0" in text
    assert f"slipway_runtime_gpu_temperature_celsius{{{whole}}} 55.0" in text
    assert f"slipway_runtime_gpu_power_watts{{{whole}}} 123.4" in text
    part = 'device="1:0",mig="true",model="chat",name="MIG 1g.10gb",uuid="MIG-1111"'
    assert f"slipway_runtime_gpu_memory_used_bytes{{{part}}} 3.0" in text
    assert f"slipway_runtime_gpu_utilization_ratio{{{part}}}" not in text


def test_without_gpus_there_are_no_such_metrics() -> None:
    assert "slipway_runtime_gpu" not in runtime_metrics(report(), ())
