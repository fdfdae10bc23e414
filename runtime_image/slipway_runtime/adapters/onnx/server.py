"""The ONNX engine as a ModelServer."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from prometheus_client import CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from slipway_runtime.adapters.embeddings_http import Text, embeddings_body, read_texts
from slipway_runtime.adapters.onnx.batcher import Batcher
from slipway_runtime.adapters.onnx.metrics import BatchMetrics
from slipway_runtime.adapters.onnx.model import OnnxEmbedder, Vectors, unit
from slipway_runtime.adapters.openai_http import ERROR_HANDLERS, json_response, read_json, unless_disconnected
from slipway_runtime.domain.engine import EngineExit
from slipway_runtime.domain.openai import model_list, require_model, usage
from slipway_runtime.domain.sentence_transformers import OnnxOptions

_CPU_BATCH_TOKENS = 1024
_GPU_BATCH_TOKENS = 16_384


class OnnxServer:
    """Serves ``/v1/embeddings`` of one sentence-transformers model."""

    def __init__(
        self, weights: Path, options: OnnxOptions, served: tuple[str, ...], *, threads: int, gpu: bool
    ) -> None:
        self._folder = model_folder(weights)
        named = {} if weights.is_dir() else {"file": str(weights.relative_to(self._folder))}
        self._options = options.model_copy(update=named)
        self._served = served
        self._threads = threads
        self._gpu = gpu
        self._registry = CollectorRegistry()
        self._tokenizing = ThreadPoolExecutor(1, thread_name_prefix="tokenize")
        self._loaded: tuple[OnnxEmbedder, Batcher] | None = None

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return "cuda" if self._gpu else "cpu"

    @property
    def device_fallback(self) -> str | None:
        """Why the CPU is used although GPUs were given."""
        return None

    def load(self) -> None:
        """Load tokenizer and graph."""
        options = self._options
        embedder = OnnxEmbedder(self._folder, options, threads=self._threads, gpu=self._gpu)
        metrics = BatchMetrics(self._registry)
        batch_tokens = options.max_batch_tokens or (_GPU_BATCH_TOKENS if self._gpu else _CPU_BATCH_TOKENS)
        batcher = Batcher(embedder.embed, batch_tokens, options.max_queue_tokens, metrics)
        self._loaded = (embedder, batcher)

    def application(self, _: Callable[[EngineExit], None]) -> ASGIApp:
        """The HTTP application."""
        assert self._loaded is not None, "application() before load()"
        embedder, batcher = self._loaded

        async def embed(request: Request) -> Response:
            return await self._embed(request, embedder, batcher)

        routes = [
            Route("/v1/embeddings", embed, methods=["POST"]),
            Route("/v1/models", self._models),
            Route("/health", self._health),
        ]
        return Starlette(routes=routes, exception_handlers=ERROR_HANDLERS)

    def metrics(self) -> str:
        """Prometheus text."""
        return generate_latest(self._registry).decode()

    def close(self) -> None:
        """End the threads."""
        self._tokenizing.shutdown(wait=False, cancel_futures=True)
        if self._loaded is not None:
            self._loaded[1].close()

    async def _embed(self, request: Request, embedder: OnnxEmbedder, batcher: Batcher) -> Response:
        body = await read_json(request)
        model = require_model(body, self._served)
        texts = read_texts(body)
        dimensions = embedder.facts.check_dimensions(body.get("dimensions"))
        vectors, tokens = await unless_disconnected(request, self._compute(texts, embedder, batcher))
        if dimensions is not None:
            cut = np.stack(vectors)[:, :dimensions]
            vectors = list(unit(cut) if embedder.facts.normalize else np.ascontiguousarray(cut))
        answer = embeddings_body(model, vectors, usage(tokens), body.get("encoding_format"), np.ndarray.tobytes)
        return json_response(answer)

    async def _compute(self, texts: list[Text], embedder: OnnxEmbedder, batcher: Batcher) -> tuple[list[Vectors], int]:
        loop = asyncio.get_running_loop()
        sequences = await loop.run_in_executor(self._tokenizing, embedder.tokenize, texts)
        return await batcher.submit(sequences), sum(map(len, sequences))

    async def _models(self, _: Request) -> Response:
        return json_response(model_list(self._served))

    async def _health(self, _: Request) -> Response:
        return json_response({"status": "ok"})


def model_folder(weights: Path) -> Path:
    """The model's folder, also when ``weights`` is the ONNX file in it."""
    if weights.is_dir():
        return weights
    return weights.parent.parent if weights.parent.name == "onnx" else weights.parent
