"""Another name for the model in a request body, without a copy of the rest of it."""

import re
from typing import Final

import msgspec

from slipway_router.domain.exchange import Body, Span

Pieces = tuple[Body | memoryview, ...]

_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN: Final = re.compile(_STRING + rb"|[{}\[\]]", re.DOTALL)
_VALUE: Final = re.compile(rb"\s*+:\s*+(" + _STRING + rb")", re.DOTALL)
_LONGEST_KEY: Final = 64


def in_json(body: Body, name: str) -> Pieces:
    """A JSON object with ``name`` for the value of its field ``model``."""
    span = _model_in_json(body)
    return (body,) if span is None else _with(body, span, msgspec.json.encode(name))


def in_form(body: Body, span: Span, name: str) -> Pieces:
    """A form with ``name`` for the field at ``span``."""
    return _with(body, span, name.encode())


def _with(body: Body, span: Span, value: bytes) -> Pieces:
    view = memoryview(body)
    return view[: span[0]], value, view[span[1] :]


def _model_in_json(body: Body) -> Span | None:
    """Where the first string stands that is the value of ``model`` in the outermost object; the body is valid JSON."""
    depth = 0
    for token in _TOKEN.finditer(body):
        first = body[token.start()]
        if first in b"{[":
            depth += 1
        elif first in b"}]":
            depth -= 1
        elif depth == 1 and token.end() - token.start() <= _LONGEST_KEY:
            value = _VALUE.match(body, token.end())
            if value is not None and msgspec.json.decode(token[0]) == "model":
                return value.span(1)
    return None
