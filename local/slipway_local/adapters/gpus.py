"""GPUs of this machine."""

import re
from pathlib import Path
from typing import Final

_DEVICE: Final = re.compile(r"nvidia\d+")


def count_nvidia_gpus(devices: Path = Path("/dev")) -> int:
    """How many NVIDIA GPUs the driver has made devices of, ``/dev/nvidia0`` and so on."""
    return sum(1 for path in devices.glob("nvidia*") if _DEVICE.fullmatch(path.name))
