"""Warm-up requests through the data port, as a caller would send them."""

from collections.abc import Sequence

import httpx2

from slipway_crds.conditions import Reason
from slipway_runtime.adapters.loopback import loopback_client
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.warmup import WarmUp

_EXCERPT = 500


async def send_warm_ups(requests: Sequence[WarmUp], host: str, port: int) -> None:
    """Send ``requests`` one after another. Raises RuntimeFailure unless each gets a 200.

    Engines serve a path only if the model can do what it is for, so a 404 is UnsupportedTask; else it is EngineFailed.

    There is no time limit here: the supervisor's start-up timeout holds for the warm-up too.
    """
    async with loopback_client(host, port, timeout=None) as client:
        for request in requests:
            try:
                answer = await client.post(request.path, json=request.body)
            except httpx2.HTTPError as error:
                raise _failed(request, repr(error)) from error
            if answer.status_code != httpx2.codes.OK:
                unsupported = answer.status_code == httpx2.codes.NOT_FOUND
                reason = Reason.UNSUPPORTED_TASK if unsupported else Reason.ENGINE_FAILED
                raise _failed(request, f"HTTP {answer.status_code}: {answer.text[:_EXCERPT]}", reason)


def _failed(request: WarmUp, what: str, reason: Reason = Reason.ENGINE_FAILED) -> RuntimeFailure:
    return RuntimeFailure(reason, f"the warm-up request to {request.path} failed: {what}")
