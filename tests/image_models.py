"""The diffusers engine as a process, and what its callers send and get."""

import base64
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests import engines_environment
from tests.runtimes import RuntimeProcess, runtime

START_SECONDS = 180.0
"""Importing PyTorch and diffusers takes most of it."""
PNG = b"\x89PNG\r\n\x1a\n"


@contextmanager
def image_model(folder: Path, *arguments: str, **fields: Any) -> Iterator[RuntimeProcess]:
    """A ready runtime with the demo image model."""
    defaults: dict[str, Any] = {"engine": "diffusers", "model_source": "demo://images", "engine_args": arguments}
    with runtime(folder, python=engines_environment.python(), **(defaults | fields)) as process:
        process.wait_for_phase("ready", START_SECONDS)
        yield process


def generate(process: RuntimeProcess, **fields: Any) -> httpx2.Response:
    body = {"model": "m", "prompt": "a red circle", "steps": 4, **fields}
    return httpx2.post(f"{process.data_url}/v1/images/generations", json=body, timeout=120)


def pictures(answer: httpx2.Response) -> list[bytes]:
    """The pictures of an answer."""
    assert answer.status_code == 200, answer.text
    return [base64.b64decode(item["b64_json"]) for item in answer.json()["data"]]


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG file."""
    assert data.startswith(PNG)
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def metric(process: RuntimeProcess, name: str) -> float:
    """The value of the metric ``name`` without labels."""
    answer = process.control("/metrics")
    assert answer is not None
    return next(float(line.split()[1]) for line in answer.text.splitlines() if line.startswith(f"{name} "))
