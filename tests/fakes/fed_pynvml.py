"""The module ``pynvml`` for a pod without a GPU: one GPU whose utilisation, in percent, stands in a file beside it.

It is mounted into pods as ``pynvml.py``, so it knows nothing of this repository.
"""

from pathlib import Path
from types import SimpleNamespace

NVML_TEMPERATURE_GPU = 0
NVML_DEVICE_MIG_ENABLE = 1
_MEMORY = SimpleNamespace(used=20 * 1024**3, total=80 * 1024**3)


class NVMLError(Exception):
    """What the driver does not tell."""


def nvmlInit() -> None:  # noqa: N802 - named by the library, as all below
    """Nothing to begin."""


def nvmlDeviceGetCount() -> int:  # noqa: N802
    return 1


def nvmlDeviceGetHandleByIndex(index: int) -> int:  # noqa: N802
    return index


def nvmlDeviceGetUUID(handle: int) -> str:  # noqa: N802
    return f"GPU-{handle}"


def nvmlDeviceGetName(handle: int) -> str:  # noqa: N802
    return "fed"


def nvmlDeviceGetMigMode(handle: int) -> tuple[int, int]:  # noqa: N802
    return 0, 0


def nvmlDeviceGetUtilizationRates(handle: int) -> SimpleNamespace:  # noqa: N802
    return SimpleNamespace(gpu=int((Path(__file__).parent / "utilization").read_text()))


def nvmlDeviceGetMemoryInfo(handle: int) -> SimpleNamespace:  # noqa: N802
    return _MEMORY


def nvmlDeviceGetTemperature(handle: int, sensor: int) -> int:  # noqa: N802
    return 50


def nvmlDeviceGetPowerUsage(handle: int) -> int:  # noqa: N802
    return 100_000
