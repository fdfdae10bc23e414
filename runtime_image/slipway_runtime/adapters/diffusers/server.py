"""The diffusers engine as a ModelServer."""

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from PIL import Image
from prometheus_client import CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from slipway_runtime.adapters.diffusers.answers import ImageEvents, images_body
from slipway_runtime.adapters.diffusers.forms import Form, read_form
from slipway_runtime.adapters.diffusers.metrics import ImageMetrics
from slipway_runtime.adapters.diffusers.pictures import read_mask, read_picture, to_size
from slipway_runtime.adapters.diffusers.pipeline import ImagePipeline, Sample
from slipway_runtime.adapters.diffusers.worker import ImageWorker
from slipway_runtime.adapters.openai_http import ERROR_HANDLERS, json_response, read_json, unless_disconnected
from slipway_runtime.domain.engine import EngineExit
from slipway_runtime.domain.images import ImageModel, ImageRequest, parse_edit, parse_generation
from slipway_runtime.domain.images_options import DiffusersOptions
from slipway_runtime.domain.openai import ApiError, model_list, require_model

_MAX_NEW_SEED = 2**32 - 1
_ENCODERS = 2


class DiffusersServer:
    """Serves ``/v1/images/generations``, and ``/v1/images/edits`` where the pipeline can."""

    def __init__(
        self, weights: Path, options: DiffusersOptions, served: tuple[str, ...], *, gpu_count: int, threads: int
    ) -> None:
        self._weights = weights
        self._options = options
        self._served = served
        self._gpu_count = gpu_count
        self._threads = threads
        self._registry = CollectorRegistry()
        self._metrics = ImageMetrics(self._registry)
        self._encoding = ThreadPoolExecutor(_ENCODERS, thread_name_prefix="encode")
        self._pipeline: ImagePipeline | None = None
        self._worker: ImageWorker | None = None

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        if self._pipeline is None:
            return "cuda" if self._gpu_count else "cpu"
        return self._pipeline.device

    @property
    def device_fallback(self) -> str | None:
        """Why the CPU is used although GPUs were given."""
        return None if self._pipeline is None else self._pipeline.device_fallback

    def load(self) -> None:
        """Load the pipeline."""
        self._pipeline = ImagePipeline(self._weights, self._options, gpu_count=self._gpu_count, threads=self._threads)

    def application(self, _: Callable[[EngineExit], None]) -> ASGIApp:
        """The HTTP application."""
        assert self._pipeline is not None, "application() before load()"
        model = self._pipeline.model
        worker = self._worker = ImageWorker(self._pipeline, self._options.max_batch, self._metrics)

        async def generate(request: Request) -> Response:
            body = await read_json(request)
            require_model(body, self._served)
            asked = parse_generation(body, model, _new_seed())
            return await self._answer(request, worker, asked, _samples(asked))

        async def edit(request: Request) -> Response:
            form = await read_form(request)
            require_model(dict(form.texts), self._served)
            # Unpacking and scaling a large picture takes a second.
            loop = asyncio.get_running_loop()
            asked, samples = await loop.run_in_executor(self._encoding, _read_edit, form, model)
            return await self._answer(request, worker, asked, samples)

        routes = [
            Route("/v1/images/generations", generate, methods=["POST"]),
            Route("/v1/images/edits", edit, methods=["POST"]),
            Route("/v1/models", self._models),
            Route("/health", self._health),
        ]
        return Starlette(routes=routes, exception_handlers=ERROR_HANDLERS)

    def metrics(self) -> str:
        """Prometheus text."""
        return generate_latest(self._registry).decode()

    def close(self) -> None:
        """End the threads."""
        self._encoding.shutdown(wait=False, cancel_futures=True)
        if self._worker is not None:
            self._worker.close()

    async def _answer(
        self, request: Request, worker: ImageWorker, asked: ImageRequest, samples: list[Sample]
    ) -> Response:
        self._metrics.requests.labels(asked.settings.operation.value).inc()
        if asked.stream:
            submit = partial(worker.submit, samples, partial_images=asked.partial_images)
            return ImageEvents(asked, submit, self._encoding)
        job = worker.submit(samples, lambda _: None)
        return json_response(await unless_disconnected(request, images_body(asked, job, self._encoding)))

    async def _models(self, _: Request) -> Response:
        return json_response(model_list(self._served))

    async def _health(self, _: Request) -> Response:
        return json_response({"status": "ok"})


def _read_edit(form: Form, model: ImageModel) -> tuple[ImageRequest, list[Sample]]:
    files = {name.removesuffix("[]"): data for name, data in form.files.items()}
    if unknown := sorted(files.keys() - {"image", "mask"}):
        raise ApiError(400, f"unknown file {unknown[0]!r}; known: image, mask", param=unknown[0])
    if "image" not in files:
        raise ApiError(400, "image is missing: the picture to edit, as a file of the form", param="image")
    picture = read_picture(files["image"], "image")
    mask = read_mask(files["mask"], picture) if "mask" in files else None
    asked = parse_edit(form.texts, model, picture.size, _new_seed(), masked=mask is not None)
    size = (asked.settings.width, asked.settings.height)
    return asked, _samples(
        asked, picture=to_size(picture, *size, "RGB"), mask=None if mask is None else to_size(mask, *size, "L")
    )


def _new_seed() -> int:
    return random.randint(0, _MAX_NEW_SEED)


def _samples(asked: ImageRequest, picture: Image.Image | None = None, mask: Image.Image | None = None) -> list[Sample]:
    return [Sample(asked.settings, asked.prompt, asked.negative_prompt, seed, picture, mask) for seed in asked.seeds]
