"""The parts of OpenAI's HTTP API that every in-process engine shares: error envelope, usage, model list."""

from typing import Any


class ApiError(Exception):
    """A refusal that the caller gets as OpenAI's error envelope."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        """Seconds; None when trying again is no use."""
        self.body: dict[str, Any] = {"error": {"message": message, "type": kind, "param": param, "code": code}}


def model_not_found(asked: object, served: tuple[str, ...]) -> ApiError:
    """404: this process does not serve the model ``asked`` for."""
    return ApiError(
        404,
        f"the model {asked!r} does not exist here; this server has {', '.join(served)}",
        code="model_not_found",
        param="model",
    )


def require_model(body: dict[str, Any], served: tuple[str, ...]) -> str:
    """The model a request names. Raises ApiError when it is missing or not one of ``served``."""
    model = body.get("model")
    if not isinstance(model, str):
        raise ApiError(400, "the request must name its model, as a string", param="model")
    if model not in served:
        raise model_not_found(model, served)
    return model


def usage(prompt_tokens: int, completion_tokens: int | None = None) -> dict[str, int]:
    """Token counts of one request; embeddings have no completion."""
    counts = {"prompt_tokens": prompt_tokens}
    if completion_tokens is not None:
        counts["completion_tokens"] = completion_tokens
    return {**counts, "total_tokens": prompt_tokens + (completion_tokens or 0)}


def model_list(served: tuple[str, ...]) -> dict[str, Any]:
    """The answer to ``GET /v1/models``."""
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "slipway"} for name in served]
    return {"object": "list", "data": data}
