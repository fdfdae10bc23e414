"""The smallest real request for each task: what a model must answer before it counts as ready."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from slipway_crds.engines import Task


@dataclass(frozen=True)
class WarmUp:
    """One POST to the data port."""

    path: str
    body: dict[str, Any]


def warm_ups(tasks: Iterable[Task], model: str) -> tuple[WarmUp, ...]:
    """One request for each of ``tasks`` that has a cheap one, in the order given."""
    requests = {
        Task.CHAT: WarmUp(
            "/v1/chat/completions",
            {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1},
        ),
        Task.COMPLETIONS: WarmUp("/v1/completions", {"model": model, "prompt": "Hi", "max_tokens": 1}),
        Task.EMBEDDINGS: WarmUp("/v1/embeddings", {"model": model, "input": "Hi"}),
        Task.RERANK: WarmUp("/v1/rerank", {"model": model, "query": "Hi", "documents": ["Hi"]}),
        Task.CLASSIFY: WarmUp("/classify", {"model": model, "input": "Hi"}),
        Task.IMAGES: WarmUp("/v1/images/generations", {"model": model, "prompt": "Hi", "steps": 1}),
    }
    return tuple(requests[task] for task in tasks if task in requests)
