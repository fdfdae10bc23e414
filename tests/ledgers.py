"""Finished and running requests, as the ledger sees them."""

from slipway_crds.engines import EngineType, Task
from slipway_router.adapters.ledger.ledger import Ledger
from slipway_router.domain.api.routes import BY_PATH
from slipway_router.domain.callers.keys import Caller
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.metering.stream_meter import StreamMeter
from slipway_router.domain.metering.stream_usage import MeterStreams
from slipway_router.domain.models.catalogue import Model

CHAT = BY_PATH[b"/v1/chat/completions"]
DAY = "2026-11-21"
NOW = 1795273206.0
"""On `DAY`."""


def exchange(key: str = "a/k", model: str = "m", *, stream: bool = False) -> Exchange:
    """A request that has passed all checks."""
    deployment = Model(model, (model,), frozenset({Task.CHAT}), engine=EngineType.VLLM)
    request = Exchange(CHAT, {}, "127.0.0.1", "r", 0.0)
    request.caller = Caller(key, owner="team")
    request.model_name, request.model, request.stream = model, deployment, stream
    return request


def finish(ledger: Ledger, request: Exchange, prompt: int, completion: int) -> None:
    """The request ends well."""
    request.status, request.prompt_tokens, request.completion_tokens = 200, prompt, completion
    ledger(request)


def begin_stream(ledger: Ledger, key: str = "a/k") -> tuple[Exchange, StreamMeter]:
    """A stream begins, with its slot."""
    request = exchange(key, stream=True)
    MeterStreams(ledger)(request)
    assert isinstance(request.meter, StreamMeter)
    return request, request.meter


def told(prompt: int, completion: int) -> bytes:
    """A chunk in which the engine tells what it has counted."""
    counts = b'"usage":{"prompt_tokens":%d,"total_tokens":0,"completion_tokens":%d}' % (prompt, completion)
    return b'data: {"choices":[{"delta":{}}],' + counts + b"}\n\n"
