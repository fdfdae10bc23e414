"""NVML as a table of GPUs: the functions of ``pynvml`` that the runtime calls."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TypeVar

T = TypeVar("T")


class NVMLError(Exception):
    """What the driver does not tell."""


@dataclass
class FakeGpu:
    """One GPU or MIG device; None is what it does not tell."""

    uuid: str
    name: str = "NVIDIA H100"
    used: int | None = 10
    total: int = 80
    utilization: int | None = 42
    temperature: int | None = 55
    milliwatts: int | None = 123_400
    parts: dict[int, "FakeGpu"] = field(default_factory=dict)
    """MIG devices by place; with any, the GPU is divided."""


class FakeNvml:
    """Stands in for the module ``pynvml``."""

    NVMLError = NVMLError
    NVML_DEVICE_MIG_ENABLE = 1
    NVML_TEMPERATURE_GPU = 0

    def __init__(self, *gpus: FakeGpu) -> None:
        self._gpus = gpus
        self.lost = False

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - named by the library, as all below
        return len(self._gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:  # noqa: N802
        if self.lost:
            raise NVMLError("GPU is lost")
        return self._gpus[index]

    def nvmlDeviceGetUUID(self, gpu: FakeGpu) -> bytes:  # noqa: N802
        return gpu.uuid.encode()

    def nvmlDeviceGetName(self, gpu: FakeGpu) -> str:  # noqa: N802
        return gpu.name

    def nvmlDeviceGetMigMode(self, gpu: FakeGpu) -> list[int]:  # noqa: N802
        return [int(bool(gpu.parts)), int(bool(gpu.parts))]

    def nvmlDeviceGetMaxMigDeviceCount(self, _: FakeGpu) -> int:  # noqa: N802
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: FakeGpu, place: int) -> FakeGpu:  # noqa: N802
        return _told(gpu.parts.get(place))

    def nvmlDeviceGetMemoryInfo(self, gpu: FakeGpu) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(used=_told(gpu.used), total=gpu.total)

    def nvmlDeviceGetUtilizationRates(self, gpu: FakeGpu) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(gpu=_told(gpu.utilization), memory=0)

    def nvmlDeviceGetTemperature(self, gpu: FakeGpu, _: int) -> int:  # noqa: N802
        return _told(gpu.temperature)

    def nvmlDeviceGetPowerUsage(self, gpu: FakeGpu) -> int:  # noqa: N802
        return _told(gpu.milliwatts)


def _told(value: T | None) -> T:
    if value is None:
        raise NVMLError("Not Supported")
    return value
