"""The ONNX engine's calls in the manner of text-embeddings-inference, for its clients as they are."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import numpy as np
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Scope

from slipway_runtime.adapters.concurrency import refuse_in_openais_envelope
from slipway_runtime.adapters.onnx.inference import Inference, Outcome, embeddings
from slipway_runtime.adapters.onnx.metrics import RequestMetrics, Timing
from slipway_runtime.adapters.onnx.model import unit
from slipway_runtime.adapters.openai_http import json_response, read_json, unless_disconnected
from slipway_runtime.domain import tei
from slipway_runtime.domain.onnx import Dtype, OnnxOptions
from slipway_runtime.domain.openai import ApiError
from slipway_runtime.domain.tei import ErrorType, TeiError
from slipway_runtime.domain.text_inputs import Direction, Input, Token, TokenizingOptions
from slipway_runtime.domain.text_model import Kind

log = logging.getLogger(__name__)

_POST_PATHS: Final = (
    "/embed",
    "/embed_all",
    "/embed_sparse",
    "/similarity",
    "/rerank",
    "/predict",
    "/tokenize",
    "/decode",
)
_RETRY_AFTER_SECONDS: Final = 1
Handler = Callable[[dict[str, Any], Request], Awaitable[Response]]


@dataclass(frozen=True)
class TeiFacts:
    """What ``/info`` tells beyond the model itself."""

    name: str
    dtype: Dtype
    options: OnnxOptions
    max_batch_tokens: int
    max_concurrent_requests: int


def refuse_when_full(scope: Scope) -> Response:
    """429 in the shape that the path's callers know."""
    if scope["path"] not in _POST_PATHS:
        return refuse_in_openais_envelope(scope)
    return _refusal(TeiError(ErrorType.OVERLOADED, "Model is overloaded", retry_after=_RETRY_AFTER_SECONDS))


class TeiApi:
    """Answers for one model."""

    def __init__(self, inference: Inference, facts: TeiFacts, metrics: RequestMetrics) -> None:
        self._inference = inference
        self._facts = facts
        self._metrics = metrics
        self._most = facts.options.max_client_batch_size

    def routes(self) -> list[Route]:
        """All paths, but for ``/health`` and ``/metrics``."""
        handlers: Sequence[Handler] = (
            self._embed,
            self._embed_all,
            self._embed_sparse,
            self._similarity,
            self._rerank,
            self._predict,
            self._tokenize,
            self._decode,
        )
        posts = zip(_POST_PATHS, handlers, strict=True)
        return [
            *(Route(path, self._guarded(handler), methods=["POST"]) for path, handler in posts),
            Route("/info", self._info),
        ]

    async def _embed(self, body: dict[str, Any], request: Request) -> Response:
        asked = tei.read_embed(body, self._most)
        facts = self._inference.facts
        self._require(Kind.EMBEDDING, Kind.SPARSE, message="Model is not an embedding model")
        if facts.head.kind is Kind.SPARSE and asked.normalize:
            raise self._wrong_model("`normalize` is not available for SPLADE models")
        if asked.dimensions is not None and asked.dimensions > facts.dimensions:
            message = "`dimensions` should be smaller than the maximum embedding dimension."
            raise TeiError(ErrorType.VALIDATION, f"Input validation error: {message}")
        outcome = await self._compute("embed", asked.inputs, request, self._options(asked))
        vectors = embeddings(outcome.values, dimensions=asked.dimensions, normalize=asked.normalize)
        return _answer(vectors, outcome)

    async def _embed_all(self, body: dict[str, Any], request: Request) -> Response:
        asked = tei.read_embed(body, self._most)
        self._require(Kind.EMBEDDING, message="`embed_all` is available for embedding models only")
        if not self._inference.vectors_of_tokens:
            raise self._wrong_model("`embed_all` is not available: the graph has one vector for each text only")
        outcome = await self._compute("embed", asked.inputs, request, self._options(asked, by_token=True))
        return _answer(outcome.values, outcome)

    async def _embed_sparse(self, body: dict[str, Any], request: Request) -> Response:
        asked = tei.read_embed(body, self._most)
        self._require(Kind.SPARSE, message="Model is not an embedding model with SPLADE pooling")
        outcome = await self._compute("embed", asked.inputs, request, self._options(asked))
        found = [
            [{"index": int(index), "value": float(weights[index])} for index in np.flatnonzero(weights)]
            for weights in outcome.values
        ]
        return _answer(found, outcome)

    async def _similarity(self, body: dict[str, Any], request: Request) -> Response:
        asked = tei.read_similarity(body, self._most)
        self._require(Kind.EMBEDDING, Kind.SPARSE, message="Model is not an embedding model")
        outcome = await self._compute("embed", asked.inputs, request, self._options(asked))
        vectors = unit(np.stack(outcome.values))
        return _answer((vectors[1:] @ vectors[0]).tolist(), outcome)

    async def _rerank(self, body: dict[str, Any], request: Request) -> Response:
        asked = tei.read_rerank(body, self._most)
        self._require(Kind.RERANKER, message="model is not a re-ranker model")
        pairs = [(asked.query, text) for text in asked.texts]
        options = self._tokenizing(asked.truncate, asked.direction)
        outcome = await self._compute("predict", pairs, request, options)
        scores = [row[0] for row in self._scores(outcome, raw=asked.raw_scores)]
        ranks = [
            {"index": index} | ({"text": asked.texts[index]} if asked.return_text else {}) | {"score": scores[index]}
            for index in sorted(range(len(scores)), key=lambda index: -scores[index])
        ]
        return _answer(ranks, outcome)

    async def _predict(self, body: dict[str, Any], request: Request) -> Response:
        asked = tei.read_predict(body, self._most)
        self._require(Kind.CLASSIFIER, Kind.RERANKER, message="Model is not a classifier model")
        options = self._tokenizing(asked.truncate, asked.direction)
        outcome = await self._compute("predict", asked.inputs, request, options)
        labels = self._inference.facts.head.labels
        predictions = [
            [
                {"score": score, "label": label}
                for score, label in sorted(zip(row, labels, strict=True), key=lambda pair: -pair[0])
            ]
            for row in self._scores(outcome, raw=asked.raw_scores)
        ]
        return _answer(predictions[0] if asked.single else predictions, outcome)

    async def _tokenize(self, body: dict[str, Any], _: Request) -> Response:
        texts, special, prompt_name = tei.read_tokenize(body, self._most)

        def tokens(tokenizer: Any) -> list[list[Token]]:
            found: list[list[Token]] = tokenizer.tokens(texts, add_special_tokens=special, prompt_name=prompt_name)
            return found

        return json_response(await self._inference.with_tokenizer(tokens))

    async def _decode(self, body: dict[str, Any], _: Request) -> Response:
        sequences, skip = tei.read_ids(body, self._most), tei.skips_special_tokens(body)
        decode = self._inference.with_tokenizer(lambda it: it.decode(sequences, skip_special_tokens=skip))
        return json_response(await decode)

    async def _info(self, _: Request) -> Response:
        facts, options = self._facts, self._facts.options
        return json_response(
            {
                "model_id": facts.name,
                "model_sha": None,
                "model_dtype": facts.dtype,
                "served_model_name": facts.name,
                "model_type": self._model_type(),
                "max_concurrent_requests": facts.max_concurrent_requests,
                "max_input_length": self._inference.facts.max_tokens,
                "max_batch_tokens": facts.max_batch_tokens,
                "max_batch_requests": options.max_batch_requests,
                "max_client_batch_size": options.max_client_batch_size,
                "auto_truncate": options.auto_truncate,
                "tokenization_workers": 1,
                "version": version("slipway"),
                "sha": None,
                "docker_label": None,
            }
        )

    def _model_type(self) -> dict[str, Any]:
        model = self._inference.facts
        if model.head.kind in (Kind.EMBEDDING, Kind.SPARSE):
            name = "last_token" if model.pooling == "last" else model.pooling
            return {"embedding": {"pooling": name}}
        labels = model.head.labels
        by_name = {
            "id2label": {str(index): label for index, label in enumerate(labels)},
            "label2id": {label: index for index, label in enumerate(labels)},
        }
        return {model.head.kind.value: by_name}

    def _guarded(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            try:
                return await handler(await read_json(request, self._facts.options.payload_limit), request)
            except TeiError as error:
                self._metrics.failed("validation")
                return _refusal(error)
            except ApiError as error:
                return _refusal(tei.from_api_error(error))
            except ClientDisconnect:
                raise
            except Exception:
                log.exception("%s failed", request.url.path)
                return _refusal(TeiError(ErrorType.BACKEND, "Backend error: inference failed; the log has the cause"))

        return guarded

    async def _compute(
        self, subject: str, inputs: Sequence[Input], request: Request, options: TokenizingOptions
    ) -> Outcome:
        return await unless_disconnected(request, self._inference.compute(subject, inputs, options))

    def _options(self, asked: tei.EmbedRequest, *, by_token: bool = False) -> TokenizingOptions:
        return self._tokenizing(asked.truncate, asked.direction, asked.prompt_name, by_token=by_token)

    def _tokenizing(
        self, truncate: bool | None, direction: Direction, prompt_name: str | None = None, *, by_token: bool = False
    ) -> TokenizingOptions:
        wanted = self._facts.options.auto_truncate if truncate is None else truncate
        return TokenizingOptions(wanted, direction, prompt_name, by_token)

    def _scores(self, outcome: Outcome, *, raw: bool) -> list[list[float]]:
        head = self._inference.facts.head
        logits = [values.tolist() for values in outcome.values]
        return logits if raw else [head.scores(row) for row in logits]

    def _require(self, *kinds: Kind, message: str) -> None:
        if self._inference.facts.head.kind not in kinds:
            raise self._wrong_model(message)

    def _wrong_model(self, message: str) -> TeiError:
        return TeiError(ErrorType.BACKEND, f"Backend error: {message}")


def _answer(content: Any, outcome: Outcome) -> Response:
    return json_response(content, headers=_headers(outcome.tokens, outcome.timing))


def _headers(tokens: int, timing: Timing) -> dict[str, str]:
    milliseconds = {
        "x-tokenization-time": timing.tokenization,
        "x-queue-time": timing.queue,
        "x-inference-time": timing.inference,
        "x-total-time": timing.tokenization + timing.queue + timing.inference,
    }
    return {"x-compute-tokens": str(tokens)} | {name: f"{value * 1000:.0f}" for name, value in milliseconds.items()}


def _refusal(error: TeiError) -> Response:
    headers = None if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return json_response(error.body, error.status, headers)
