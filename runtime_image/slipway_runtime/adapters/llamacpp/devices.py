"""Which device llama.cpp will use. As a process, ``python -m …llamacpp.devices`` prints what the library finds."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_GPU_TYPES: Final = ("GPU", "IGPU")
_PROBE_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Device:
    """Where the model runs."""

    name: str
    """``cpu`` or ``cuda``."""
    fallback: str | None = None
    """Why it is the CPU although GPUs were given."""


@dataclass(frozen=True)
class Found:
    """One device of llama.cpp."""

    name: str
    kind: str
    """``CPU``, ``GPU``, ``IGPU`` or ``ACCEL``."""


def choose_device(gpus: int, gpu_layers: int | None, found: Sequence[Found]) -> Device:
    """The device for a model that was given ``gpus`` GPUs, of which llama.cpp has ``found`` what is there."""
    if gpus == 0:
        return Device("cpu")
    if gpu_layers == 0:
        return Device("cpu", "engine.args has --n-gpu-layers=0")
    if any(device.kind in _GPU_TYPES for device in found):
        return Device("cuda")
    names = ", ".join(device.name for device in found) or "none"
    why = "the image has a llama.cpp without CUDA, or the node's driver is too old"
    return Device("cpu", f"llama.cpp finds no GPU, only {names}: {why}")


def found_devices() -> tuple[Found, ...]:
    """llama.cpp's devices, asked in a process of its own: a GPU library stays in memory. Empty when it fails."""
    command = (sys.executable, "-m", __name__)
    try:
        asked = subprocess.run(command, capture_output=True, timeout=_PROBE_SECONDS, check=True)
        return tuple(Found(**device) for device in json.loads(asked.stdout.splitlines()[-1]))
    except (subprocess.SubprocessError, ValueError, IndexError):
        return ()


def main() -> None:
    """Print the devices as one line of JSON."""
    import xllamacpp

    prefix = "GGML_BACKEND_DEVICE_TYPE_"
    devices = [
        {"name": device["name"], "kind": device["type"].name.removeprefix(prefix)}
        for device in xllamacpp.get_device_info()
    ]
    sys.stdout.write(json.dumps(devices) + "\n")


if __name__ == "__main__":
    main()
