"""The ONNX engine's calls in OpenAI's manner: embeddings, rerank, classify."""

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from slipway_runtime.adapters.embeddings_http import embeddings_body, read_texts
from slipway_runtime.adapters.onnx.inference import Inference, Outcome, embeddings
from slipway_runtime.adapters.openai_http import json_response, read_json, unless_disconnected
from slipway_runtime.domain.openai import ApiError, model_list, require_model, usage
from slipway_runtime.domain.rerank import classify_body, read_rerank, rerank_body
from slipway_runtime.domain.text_inputs import TokenizingOptions
from slipway_runtime.domain.text_model import Kind


class OpenAiApi:
    """Answers for one model under the names ``served``."""

    def __init__(self, inference: Inference, served: tuple[str, ...], *, auto_truncate: bool) -> None:
        self._inference = inference
        self._served = served
        self._auto_truncate = auto_truncate

    def routes(self) -> list[Route]:
        """All paths."""
        # The names without a version are those of text-embeddings-inference, now and before, and of vLLM.
        paths = {
            self._embeddings: ("/v1/embeddings", "/embeddings", "/openai"),
            self._rerank: ("/v1/rerank", "/v2/rerank"),
            self._classify: ("/classify", "/v1/classify"),
        }
        posts = [Route(path, handler, methods=["POST"]) for handler, names in paths.items() for path in names]
        return [*posts, Route("/v1/models", self._models)]

    async def _embeddings(self, request: Request) -> Response:
        body = await read_json(request)
        model = self._model(body)
        facts = self._inference.facts
        if facts.head.kind not in (Kind.EMBEDDING, Kind.SPARSE):
            raise _unsupported(facts.head.kind, "embeddings")
        texts = read_texts(body)
        dimensions = facts.check_dimensions(body.get("dimensions"))
        options = self._options(body)
        outcome = await unless_disconnected(request, self._inference.compute("embed", texts, options))
        vectors = embeddings(outcome.values, dimensions=dimensions, normalize=facts.normalize)
        counts = usage(outcome.tokens)
        answer = embeddings_body(model, list(vectors), counts, body.get("encoding_format"), np.ndarray.tobytes)
        return json_response(answer)

    async def _rerank(self, request: Request) -> Response:
        body = await read_json(request)
        model = self._model(body)
        head = self._inference.facts.head
        if head.kind is not Kind.RERANKER:
            raise _unsupported(head.kind, "rerank")
        asked = read_rerank(body)
        pairs = [(asked.query, document) for document in asked.documents]
        work = self._inference.compute("predict", pairs, self._options(body))
        outcome = await unless_disconnected(request, work)
        scores = [row[0] for row in self._scores(outcome)]
        return json_response(rerank_body(model, asked, scores, outcome.tokens))

    async def _classify(self, request: Request) -> Response:
        body = await read_json(request)
        model = self._model(body)
        head = self._inference.facts.head
        if head.kind not in (Kind.CLASSIFIER, Kind.RERANKER):
            raise _unsupported(head.kind, "classify")
        texts = read_texts(body)
        work = self._inference.compute("predict", texts, self._options(body))
        outcome = await unless_disconnected(request, work)
        return json_response(classify_body(model, head.labels, self._scores(outcome), outcome.tokens))

    async def _models(self, _: Request) -> Response:
        return json_response(model_list(self._served))

    def _scores(self, outcome: Outcome) -> list[list[float]]:
        head = self._inference.facts.head
        return [head.scores(logits.tolist()) for logits in outcome.values]

    def _model(self, body: dict[str, object]) -> str:
        # Clients of text-embeddings-inference name no model: there is only one.
        return self._served[0] if body.get("model") is None else require_model(body, self._served)

    def _options(self, body: dict[str, object]) -> TokenizingOptions:
        truncate, prompt_name = body.get("truncate"), body.get("prompt_name")
        if not isinstance(truncate, bool | None):
            raise ApiError(400, "truncate must be true or false", param="truncate")
        if not isinstance(prompt_name, str | None):
            raise ApiError(400, "prompt_name must be a string", param="prompt_name")
        return TokenizingOptions(self._auto_truncate if truncate is None else truncate, prompt_name=prompt_name)


def _unsupported(kind: Kind, what: str) -> ApiError:
    return ApiError(400, f"the model is a {kind}; it cannot do {what}", code="unsupported_task", param="model")
