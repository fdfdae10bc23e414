"""Other values for some fields of a request body, without a copy of the rest of it."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from slipway_router.domain.exchange import Body, Span

Pieces = tuple[Body | memoryview, ...]

_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN: Final = re.compile(_STRING + rb"|[{}\[\]]", re.DOTALL)
_COLON: Final = re.compile(rb"\s*+:\s*+")
_PLAIN: Final = re.compile(_STRING + rb"|[^\s,{}\[\]]++", re.DOTALL)
"""A value that is neither an object nor a list."""
_LONGEST_KEY: Final = 128


def in_json(body: Body, edits: Mapping[str, bytes], *, absent: bool = False) -> Pieces:
    """A JSON object with other values for its fields, which are given as JSON; fields that it lacks come at its end.

    ``body`` must be a valid JSON object. A field that stands in it twice gets the value at both places. With ``absent``
    it is known to have none of the fields.
    """
    pieces: list[Body | memoryview] = []
    view, done = memoryview(body), 0
    missing = dict(edits)
    for name, (start, end) in () if absent else _values(body, edits):
        pieces += (view[done:start], edits[name])
        done = end
        missing.pop(name, None)
    if missing:
        end = body.rindex(b"}")
        added = b",".join([b"%b:%b" % (msgspec.json.encode(name), value) for name, value in missing.items()])
        # An object that has a field has its name.
        pieces += (view[done:end], b"," + added if b'"' in body else added, view[end:])
    else:
        pieces.append(view[done:])
    return tuple(pieces)


def in_form(body: Body, span: Span, text: str) -> Pieces:
    """A form with ``text`` for the field at ``span``."""
    view = memoryview(body)
    return view[: span[0]], text.encode(), view[span[1] :]


def _values(body: Body, names: Mapping[str, bytes]) -> list[tuple[str, Span]]:
    """Where the values of the outermost object's fields ``names`` stand, in their order."""
    found: list[tuple[str, Span]] = []
    depth, position = 0, 0
    while (token := _TOKEN.search(body, position)) is not None:
        position = token.end()
        first = body[token.start()]
        if first in b"{[":
            depth += 1
        elif first in b"}]":
            depth -= 1
        elif depth == 1 and (colon := _COLON.match(body, position)) is not None:
            key = _key(token)
            if key in names:
                position = _end_of_value(body, colon.end())
                found.append((key, (colon.end(), position)))
    return found


def _key(token: re.Match[bytes]) -> str:
    if token.end() - token.start() > _LONGEST_KEY:
        return ""
    try:
        return str(msgspec.json.decode(token[0]))
    except msgspec.DecodeError:  # Half of a surrogate pair, which is JSON all the same.
        return ""


def _end_of_value(body: Body, start: int) -> int:
    plain = _PLAIN.match(body, start)
    if plain is not None:
        return plain.end()
    depth = 0
    for token in _TOKEN.finditer(body, start):
        first = body[token.start()]
        depth += (first in b"{[") - (first in b"}]")
        if depth == 0:
            return token.end()
    raise ValueError("the body is not a JSON object")
