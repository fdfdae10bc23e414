"""The dummy engine as a ModelServer."""

import threading
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from slipway_crds.conditions import Reason
from slipway_runtime.adapters.dummy.answers import Answer, completion_body, stream_body
from slipway_runtime.adapters.dummy.tally import Tally, count_of
from slipway_runtime.adapters.embeddings_http import embeddings_body, pack_floats, read_texts
from slipway_runtime.adapters.openai_http import ERROR_HANDLERS, json_response, read_json, unless_disconnected
from slipway_runtime.domain.dummy import DummyOptions, count_words, embedding, parse_knobs
from slipway_runtime.domain.engine import EngineExit
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.openai import ApiError, model_list, require_model, usage

_MIB = 1024 * 1024
_PAGE = 4096


class DummyServer:
    """Answers chat, completions and embeddings."""

    device = "cpu"
    device_fallback = None

    def __init__(self, options: DummyOptions, served: tuple[str, ...]) -> None:
        self._options = options
        self._served = served
        self._filled: list[bytearray] = []
        self._registry = CollectorRegistry()
        self._tally = Tally()
        self._tokens = Counter("dummy_tokens", "Tokens generated.", registry=self._registry)

    def load(self) -> None:
        """Take the time and memory that the options ask for."""
        time.sleep(self._options.load_seconds)
        self._fill(self._options.load_memory_mib)
        if code := self._options.load_exit_code:
            message = f"the dummy engine ended while loading, as --load-exit-code={code} asks"
            raise RuntimeFailure(Reason.ENGINE_FAILED, message, code)

    def application(self, crash: Callable[[EngineExit], None]) -> ASGIApp:
        """The HTTP application."""
        if seconds := self._options.crash_after_seconds:
            end = EngineExit(self._options.crash_exit_code, "as --crash-after-seconds asks")
            timer = threading.Timer(seconds, crash, [end])
            timer.daemon = True
            timer.start()

        async def chat(request: Request) -> Response:
            return await self._generate(request, crash, chat=True)

        async def completions(request: Request) -> Response:
            return await self._generate(request, crash, chat=False)

        routes = [
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/completions", completions, methods=["POST"]),
            Route("/v1/embeddings", self._embed, methods=["POST"]),
            Route("/v1/models", self._models),
            Route("/health", self._health),
            *self._tally.routes(),
        ]
        return self._tally.around(Starlette(routes=routes, exception_handlers=ERROR_HANDLERS))

    def metrics(self) -> str:
        """Prometheus text."""
        return generate_latest(self._registry).decode()

    def close(self) -> None:
        """Give the memory back."""
        self._filled.clear()

    def _fill(self, mib: int) -> None:
        memory = bytearray(mib * _MIB)
        for page in range(0, len(memory), _PAGE):
            memory[page] = 1
        self._filled.append(memory)

    async def _generate(self, request: Request, crash: Callable[[EngineExit], None], *, chat: bool) -> Response:
        body = await read_json(request)
        model = require_model(body, self._served)
        knobs = parse_knobs(body, self._options)
        if knobs.crash_exit_code is not None:
            crash(EngineExit(knobs.crash_exit_code, "as the request's dummy.crash_exit_code asks"))
        if knobs.fail_status is not None:
            raise ApiError(knobs.fail_status, "as dummy.fail_status asks", kind="server_error")
        if knobs.memory_mib:
            self._fill(knobs.memory_mib)
        answer = Answer(body, model, knobs, self._options.answer_tokens, chat=chat)
        count = count_of(request)
        if body.get("stream"):
            return stream_body(answer, self._tokens, count)
        content = await unless_disconnected(request, completion_body(answer, self._tokens))
        count.announce(model, answer.prompt, answer.count)
        return json_response(content)

    async def _embed(self, request: Request) -> Response:
        body = await read_json(request)
        model = require_model(body, self._served)
        texts = read_texts(body)
        vectors = [embedding(text if isinstance(text, str) else repr(text), self._options.dimensions) for text in texts]
        words = sum(count_words(text) if isinstance(text, str) else len(text) for text in texts)
        count_of(request).announce(model, words, 0)
        return json_response(embeddings_body(model, vectors, usage(words), body.get("encoding_format"), pack_floats))

    async def _models(self, _: Request) -> Response:
        return json_response(model_list(self._served))

    async def _health(self, _: Request) -> Response:
        return json_response({"status": "ok"})
