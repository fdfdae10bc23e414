"""On a machine with an NVIDIA GPU, NVML's figures of it are in the runtime's metrics."""

import os

import pytest

from slipway_runtime.adapters.nvml import nvml_gpus
from slipway_runtime.domain.gpus import VisibleGpus

pytestmark = pytest.mark.gpu


def test_each_gpu_tells_its_memory() -> None:
    gpus = nvml_gpus(VisibleGpus(os.environ)).read()
    if not gpus:
        pytest.skip("no NVIDIA GPU here")
    for gpu in gpus:
        assert gpu.uuid.startswith(("GPU-", "MIG-"))
        assert gpu.name
        assert gpu.memory_total is not None
        assert gpu.memory_used is not None
        assert 0 <= gpu.memory_used <= gpu.memory_total
        if not gpu.mig:
            assert gpu.utilization is not None
            assert 0 <= gpu.utilization <= 1
            assert gpu.temperature is not None
            assert 0 < gpu.temperature < 120
            assert gpu.power is not None
            assert gpu.power > 0
