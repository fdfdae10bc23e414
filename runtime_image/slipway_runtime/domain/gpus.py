"""GPUs as the runtime reports them, and which of a machine's GPUs are this runtime's."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    """One GPU, or one MIG device of a GPU, at one moment. None is what the driver does not tell."""

    index: str
    """As NVML counts; of a MIG device the GPU's and its own, ``0:1``."""
    uuid: str
    name: str
    mig: bool
    memory_used: int | None
    """Bytes."""
    memory_total: int | None
    """Bytes."""
    utilization: float | None = None
    """Share of the last moments in which a kernel ran, 0 to 1. NVML has none for MIG devices."""
    temperature: int | None = None
    """Degrees Celsius."""
    power: float | None = None
    """Watts."""


class VisibleGpus:
    """What ``CUDA_VISIBLE_DEVICES`` and ``NVIDIA_VISIBLE_DEVICES`` leave of a machine's GPUs.

    Where the container runtime honours the second, NVML sees no other GPUs; then it changes nothing here. Entries are
    indices, or beginnings of UUIDs (``GPU-…``, ``MIG-…``); as CUDA does, the list ends at the first that is neither.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._cuda = _entries(environ.get("CUDA_VISIBLE_DEVICES"))
        container = environ.get("NVIDIA_VISIBLE_DEVICES")
        self._none = container in ("", "none", "void")
        # The container's own numbers begin at 0 again: indices in this variable are the node's.
        uuids = [entry for entry in _entries(container) or () if entry.startswith(("GPU-", "MIG-"))]
        self._uuids = uuids or None

    def shows(self, index: int, *uuids: str) -> bool:
        """Whether the GPU ``index`` is visible; ``uuids`` are its own and, of a MIG device, the GPU's."""
        if self._none:
            return False
        if self._uuids is not None and not _starts(uuids, self._uuids):
            return False
        return self._cuda is None or str(index) in self._cuda or _starts(uuids, self._cuda)


def _entries(text: str | None) -> list[str] | None:
    if text is None:
        return None
    found: list[str] = []
    for entry in (part.strip() for part in text.split(",")):
        if not entry.isdigit() and not entry.startswith(("GPU-", "MIG-")):
            break
        found.append(entry)
    return found


def _starts(uuids: tuple[str, ...], entries: list[str]) -> bool:
    return any(uuid.startswith(entry) for uuid in uuids for entry in entries if not entry.isdigit())
