"""The ONNX engine as a ModelServer."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from slipway_runtime.adapters.onnx.batcher import Batcher, BatchLimits
from slipway_runtime.adapters.onnx.inference import Inference
from slipway_runtime.adapters.onnx.metrics import BatchMetrics, RequestMetrics
from slipway_runtime.adapters.onnx.model import OnnxModel
from slipway_runtime.adapters.onnx.openai_api import OpenAiApi
from slipway_runtime.adapters.onnx.session import available_providers
from slipway_runtime.adapters.onnx.tei_api import TeiApi, TeiFacts
from slipway_runtime.adapters.openai_http import ERROR_HANDLERS, json_response
from slipway_runtime.domain.engine import EngineExit
from slipway_runtime.domain.onnx import OnnxConfig, ProviderChoice, choose_providers, workers_for
from slipway_runtime.domain.text_model import Kind, check_tasks

_SMALL_BATCH_TOKENS: Final = 1024
_GPU_BATCH_TOKENS: Final = 16_384
_CPU_RUN_TOKENS: Final = 8
"""As all-MiniLM-L6-v2 was measured: a run of it takes 1.4 ms and 0.19 ms for each token."""
_GPU_RUN_TOKENS: Final = 1024
"""A GPU is not full before."""


@dataclass(frozen=True)
class _Loaded:
    model: OnnxModel
    batcher: Batcher
    limits: BatchLimits


class OnnxServer:
    """Serves one text model: embeddings, rerank or labels, in OpenAI's API and in text-embeddings-inference's."""

    def __init__(self, weights: Path, config: OnnxConfig) -> None:
        self._folder = model_folder(weights)
        named = {} if weights.is_dir() else {"file": weights.relative_to(self._folder).as_posix()}
        self._options = config.options.model_copy(update=named)
        self._config = config
        self._registry = CollectorRegistry()
        self._tokenizing = ThreadPoolExecutor(1, thread_name_prefix="tokenize")
        self._loaded: _Loaded | None = None

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return "cpu" if self._loaded is None else self._providers.device

    @property
    def device_fallback(self) -> str | None:
        """Why the CPU is used although GPUs were given."""
        return None if self._loaded is None else self._providers.fallback

    def load(self) -> None:
        """Load tokenizer and graph. Raises RuntimeFailure, also when the weights cannot do what is asked for."""
        options = self._options
        providers = choose_providers(available_providers(), self._config.gpus, options.provider)
        model = OnnxModel(self._folder, options, threads=self._config.threads, providers=providers)
        check_tasks(model.facts.head, self._config.tasks)
        limits = self._limits(model)
        self._loaded = _Loaded(model, Batcher(model.run, limits, BatchMetrics(self._registry)), limits)

    def application(self, _: Callable[[EngineExit], None]) -> ASGIApp:
        """The HTTP application."""
        assert self._loaded is not None, "application() before load()"
        loaded, names = self._loaded, self._config.served_names
        metrics = RequestMetrics(self._registry)
        inference = Inference(loaded.model, loaded.batcher, self._tokenizing, metrics)
        facts = TeiFacts(
            name=names[0],
            dtype=loaded.model.graph.dtype,
            options=self._options,
            max_batch_tokens=loaded.limits.batch_tokens,
            max_concurrent_requests=self._config.max_concurrency,
        )
        routes = [
            *OpenAiApi(inference, names, auto_truncate=self._options.auto_truncate).routes(),
            *TeiApi(inference, facts, metrics).routes(),
            Route("/health", self._health),
            Route("/metrics", self._show_metrics),
        ]
        return Starlette(routes=routes, exception_handlers=ERROR_HANDLERS)

    def metrics(self) -> str:
        """Prometheus text."""
        return generate_latest(self._registry).decode()

    def close(self) -> None:
        """End the threads."""
        self._tokenizing.shutdown(wait=False, cancel_futures=True)
        if self._loaded is not None:
            self._loaded.batcher.close()

    @property
    def _providers(self) -> ProviderChoice:
        assert self._loaded is not None, "before load()"
        return self._loaded.model.graph.providers

    def _limits(self, model: OnnxModel) -> BatchLimits:
        options, on_cpu = self._options, model.graph.providers.device == "cpu"
        # A sparse model has as many numbers for each token as there are words.
        small = on_cpu or model.facts.head.kind is Kind.SPARSE
        return BatchLimits(
            batch_tokens=options.max_batch_tokens or (_SMALL_BATCH_TOKENS if small else _GPU_BATCH_TOKENS),
            queue_tokens=options.max_queue_tokens,
            run_tokens=_CPU_RUN_TOKENS if on_cpu else _GPU_RUN_TOKENS,
            batch_rows=options.max_batch_requests,
            workers=workers_for(self._config.threads) if on_cpu else 1,
        )

    async def _health(self, _: Request) -> Response:
        return json_response({"status": "ok"})

    async def _show_metrics(self, _: Request) -> Response:
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)


def model_folder(weights: Path) -> Path:
    """The model's folder, also when ``weights`` is the ONNX file in it."""
    if weights.is_dir():
        return weights
    return weights.parent.parent if weights.parent.name == "onnx" else weights.parent
