"""What an HTTP status means for weights."""

from typing import NoReturn

from slipway_crds.conditions import Reason
from slipway_runtime.adapters.fetch.retry import TransientError
from slipway_runtime.domain.failure import RuntimeFailure


def raise_for_status(status: int, what: str) -> NoReturn:
    """Raise for the error ``status`` of a request for ``what``: TransientError, or RuntimeFailure with its reason."""
    if status in (404, 410):
        raise RuntimeFailure(Reason.WEIGHTS_NOT_FOUND, f"{what} does not exist (HTTP {status}); check model.source")
    if status in (401, 403):
        message = f"{what} may not be read (HTTP {status}); check the token and what it allows"
        raise RuntimeFailure(Reason.WEIGHTS_FORBIDDEN, message)
    if status in (408, 425, 429) or status >= 500:
        raise TransientError(f"HTTP {status}")
    raise RuntimeFailure(Reason.FETCH_FAILED, f"{what}: HTTP {status}")
