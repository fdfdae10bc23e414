"""``POST /v1/rerank`` as Jina, Cohere and vLLM have it, and ``POST /classify`` as vLLM has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from slipway_runtime.domain.openai import ApiError, usage

MAX_DOCUMENTS: Final = 2048


@dataclass(frozen=True)
class RerankRequest:
    """A query and what to order by it."""

    query: str
    documents: Sequence[str]
    top_n: int
    """How many results to return."""
    return_documents: bool


def read_rerank(body: Mapping[str, Any]) -> RerankRequest:
    """Raises ApiError that names the field."""
    query = body.get("query")
    if not isinstance(query, str) or not query:
        raise ApiError(400, "query must be a string, and not empty", param="query")
    documents = _documents(body.get("documents"))
    top_n = body.get("top_n")
    if top_n is not None and (type(top_n) is not int or top_n < 1):
        raise ApiError(400, "top_n must be a whole number, 1 or more", param="top_n")
    return_documents = body.get("return_documents", False)
    if not isinstance(return_documents, bool):
        raise ApiError(400, "return_documents must be true or false", param="return_documents")
    return RerankRequest(query, documents, min(top_n or len(documents), len(documents)), return_documents)


def rerank_body(model: str, request: RerankRequest, scores: Sequence[float], tokens: int) -> dict[str, Any]:
    """The answer: the best ``top_n`` documents, the most relevant first; equal ones in their order."""
    order = sorted(range(len(scores)), key=lambda index: -scores[index])[: request.top_n]
    return {
        "object": "rerank",
        "model": model,
        "results": [
            {"index": index, "relevance_score": scores[index]}
            | ({"document": {"text": request.documents[index]}} if request.return_documents else {})
            for index in order
        ],
        "usage": usage(tokens),
    }


def classify_body(
    model: str, labels: Sequence[str], probabilities: Sequence[Sequence[float]], tokens: int
) -> dict[str, Any]:
    """vLLM's answer: for each input the likeliest label, and the probabilities of all by index."""
    data = [
        {
            "index": index,
            "label": labels[max(range(len(labels)), key=row.__getitem__)],
            "probs": row,
            "num_classes": len(labels),
        }
        for index, row in enumerate(probabilities)
    ]
    return {"object": "list", "model": model, "data": data, "usage": usage(tokens)}


def _documents(raw: object) -> list[str]:
    if not isinstance(raw, list) or not raw:
        raise ApiError(400, "documents must be a list of strings, and not empty", param="documents")
    if len(raw) > MAX_DOCUMENTS:
        message = f"documents has {len(raw)} entries; send at most {MAX_DOCUMENTS} at once"
        raise ApiError(400, message, param="documents")
    texts = []
    for index, entry in enumerate(raw):
        text = entry.get("text") if isinstance(entry, Mapping) else entry
        if not isinstance(text, str):
            message = f'documents[{index}] must be a string or an object like {{"text": "..."}}'
            raise ApiError(400, message, param=f"documents[{index}]")
        texts.append(text)
    return texts
