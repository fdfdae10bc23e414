"""The ONNX engine's HTTP application in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from slipway_crds.engines import Task
from slipway_runtime.adapters.onnx.server import OnnxServer
from slipway_runtime.domain.onnx import OnnxConfig, OnnxOptions


def onnx_server(weights: Path, *tasks: Task, gpus: int = 0, **options: Any) -> OnnxServer:
    config = OnnxConfig(
        served_names=("m",),
        tasks=tasks,
        threads=2,
        gpus=gpus,
        max_concurrency=8,
        options=OnnxOptions.model_validate(options),
    )
    return OnnxServer(weights, config)


@contextmanager
def onnx_client(weights: Path, *tasks: Task, **options: Any) -> Iterator[TestClient]:
    server = onnx_server(weights, *tasks, **options)
    try:
        server.load()
        with TestClient(server.application(lambda _: None), raise_server_exceptions=False) as client:
            yield client
    finally:
        server.close()
