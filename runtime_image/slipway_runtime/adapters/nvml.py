"""What NVIDIA's driver tells of the GPUs, by NVML; nothing where there is no driver."""

import importlib
import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from slipway_runtime.domain.gpus import Gpu, VisibleGpus

log = logging.getLogger(__name__)
_MILLIWATTS: Final = 1000
_PERCENT: Final = 100
Value = TypeVar("Value")


class Gpus(Protocol):
    """The GPUs of this runtime."""

    def read(self) -> tuple[Gpu, ...]:
        """Their state now; may take some milliseconds for each. Never raises for a GPU that does not answer."""


class NoGpus:
    """For where none can be read."""

    def read(self) -> tuple[Gpu, ...]:
        """None."""
        return ()


def nvml_gpus(visible: VisibleGpus) -> Gpus:
    """The GPUs that NVML shows; without its Python package or the driver there are none."""
    try:
        library = importlib.import_module("pynvml")
        library.nvmlInit()
    except ModuleNotFoundError:
        return NoGpus()
    except Exception as error:  # of a library that is only there with a driver
        log.debug("no GPU metrics: %s", error)
        return NoGpus()
    return NvmlGpus(library, visible)


class NvmlGpus:
    """``Gpus`` by NVML. ``library`` is the module ``pynvml``, initialised."""

    def __init__(self, library: Any, visible: VisibleGpus) -> None:
        self._nvml = library
        self._visible = visible

    def read(self) -> tuple[Gpu, ...]:
        """The visible GPUs; of one that is divided, its visible MIG devices instead."""
        count = self._told(self._nvml.nvmlDeviceGetCount) or 0
        return tuple(gpu for index in range(count) for gpu in self._devices(index))

    def _devices(self, index: int) -> Iterator[Gpu]:
        handle = self._told(lambda: self._nvml.nvmlDeviceGetHandleByIndex(index))
        if handle is None:
            return
        uuid = self._text(lambda: self._nvml.nvmlDeviceGetUUID(handle))
        mode = self._told(lambda: self._nvml.nvmlDeviceGetMigMode(handle))
        if mode is not None and mode[0] == self._nvml.NVML_DEVICE_MIG_ENABLE:
            yield from self._mig_devices(index, handle, uuid)
        elif self._visible.shows(index, uuid):
            yield self._whole(index, handle, uuid)

    def _whole(self, index: int, handle: Any, uuid: str) -> Gpu:
        rates = self._told(lambda: self._nvml.nvmlDeviceGetUtilizationRates(handle))
        sensor = self._nvml.NVML_TEMPERATURE_GPU
        power = self._told(lambda: self._nvml.nvmlDeviceGetPowerUsage(handle))
        used, total = self._memory(handle)
        return Gpu(
            index=str(index),
            uuid=uuid,
            name=self._text(lambda: self._nvml.nvmlDeviceGetName(handle)),
            mig=False,
            memory_used=used,
            memory_total=total,
            utilization=None if rates is None else rates.gpu / _PERCENT,
            temperature=self._told(lambda: self._nvml.nvmlDeviceGetTemperature(handle, sensor)),
            power=None if power is None else power / _MILLIWATTS,
        )

    def _mig_devices(self, index: int, handle: Any, parent: str) -> Iterator[Gpu]:
        for place in range(self._told(lambda: self._nvml.nvmlDeviceGetMaxMigDeviceCount(handle)) or 0):
            part = self._told(partial(self._nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, place))
            if part is not None:
                gpu = self._mig_device(f"{index}:{place}", part)
                if self._visible.shows(index, gpu.uuid, parent):
                    yield gpu

    def _mig_device(self, index: str, handle: Any) -> Gpu:
        # Utilisation, temperature and power are the whole GPU's, which others may use as well.
        used, total = self._memory(handle)
        return Gpu(
            index=index,
            uuid=self._text(lambda: self._nvml.nvmlDeviceGetUUID(handle)),
            name=self._text(lambda: self._nvml.nvmlDeviceGetName(handle)),
            mig=True,
            memory_used=used,
            memory_total=total,
        )

    def _memory(self, handle: Any) -> tuple[int | None, int | None]:
        memory = self._told(lambda: self._nvml.nvmlDeviceGetMemoryInfo(handle))
        return (None, None) if memory is None else (int(memory.used), int(memory.total))

    def _text(self, ask: Callable[[], Any]) -> str:
        answer = self._told(ask)
        # Older packages give bytes.
        return answer.decode() if isinstance(answer, bytes) else str(answer or "")

    def _told(self, ask: Callable[[], Value]) -> Value | None:
        try:
            return ask()
        except self._nvml.NVMLError:
            return None
