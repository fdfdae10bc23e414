"""What a prompt or a chat of the simple API is in OpenAI's words."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic_core import to_json

from slipway_crds.engines import Operation
from slipway_router.domain.api.routes import ROUTES, Route
from slipway_router.domain.callers.keys import Caller
from slipway_router.domain.models.catalogue import Catalogue, Model

CHAT: Final = next(route for route in ROUTES if route.operation is Operation.CHAT_COMPLETIONS)
COMPLETIONS: Final = next(route for route in ROUTES if route.operation is Operation.COMPLETIONS)
WRITING: Final = frozenset({Operation.CHAT_COMPLETIONS, Operation.COMPLETIONS})

EngineCall = tuple[Route, bytes]
"""Where it goes, and its body."""


def options_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that were given a value, for the engine."""
    return {name: value for name, value in fields.items() if value is not None}


def chat_call(
    model: str, messages: Sequence[Mapping[str, Any]], options: Mapping[str, Any], *, stream: bool
) -> EngineCall:
    """A chat."""
    return CHAT, _body(options, {"model": model, "messages": messages}, stream=stream)


def generate_call(
    catalogue: Catalogue, model: str, prompt: str, system: str | None, options: Mapping[str, Any], *, stream: bool
) -> EngineCall:
    """A prompt: a completion if the model does those and there is no system message, else a chat of one turn."""
    known = catalogue.by_name.get(model)
    completes = known is None or Operation.COMPLETIONS in known.operations
    if system is None and completes:
        return COMPLETIONS, _body(options, {"model": model, "prompt": prompt}, stream=stream)
    before = [{"role": "system", "content": system}] if system is not None else []
    return chat_call(model, [*before, {"role": "user", "content": prompt}], options, stream=stream)


def _body(options: Mapping[str, Any], fields: Mapping[str, Any], *, stream: bool) -> bytes:
    usage = {"stream_options": {"include_usage": True}} if stream else {}
    given = {name: value for name, value in options.items() if name != "stream_options"}
    # Not orjson: whole numbers of any size, which a field of an engine's own may have, are too large for it.
    return to_json({**given, **fields, "stream": stream, **usage}, inf_nan_mode="null")


def writers(catalogue: Catalogue, caller: Caller) -> list[tuple[str, Model]]:
    """The models of the caller's key that write text, by name."""
    found = catalogue.by_name.items()
    return sorted((name, model) for name, model in found if caller.may_call(name) and model.operations & WRITING)
