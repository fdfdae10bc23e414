"""The few words of interest in a ``multipart/form-data`` body (RFC 7578), found without copying the files in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from python_multipart.multipart import parse_options_header

from slipway_router.domain.errors import ErrorCode, RequestError, fail
from slipway_router.domain.exchange import Body, Fields, Span

MAX_PARTS: Final = 256
MAX_PART_HEAD: Final = 8192
"""Bytes of a part's header."""
_MAX_BOUNDARY: Final = 200
_MAX_WORD: Final = 1024
_TRUE: Final = frozenset({"true", "1", "on", "yes"})


@dataclass(frozen=True, slots=True)
class FormCall:
    """What a form says of the call."""

    model: str | None = None
    model_at: Span = (0, 0)
    """Where the model's name stands in the body."""
    stream: bool = False


def boundary_of(headers: Fields) -> bytes | None:
    """What separates the parts; None if the body is no form by its ``Content-Type``.

    Raises:
        RequestError: 400, it is a form without a boundary.
    """
    kind, options = parse_options_header(headers.get(b"content-type", b"").decode("latin-1"))
    if kind != b"multipart/form-data":
        return None
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= _MAX_BOUNDARY:
        raise _invalid("its Content-Type has no usable boundary")
    return boundary


def read_form(body: Body, boundary: bytes) -> FormCall:
    """Find the fields ``model`` and ``stream``, wherever they stand among the files.

    Raises:
        RequestError: 400, the body is not a form, or has a field twice.
    """
    found: dict[bytes, Span] = {}
    for name, where in _parts(body, boundary):
        if name in (b"model", b"stream"):
            if name in found:
                raise _invalid(f"field '{name.decode()}' comes twice")
            found[name] = where
    where = found.get(b"model", (0, 0))
    model = _word(body, where) if b"model" in found else None
    stream = b"stream" in found and _word(body, found[b"stream"]).lower() in _TRUE
    return FormCall(model, where, stream)


def _parts(body: Body, boundary: bytes) -> Iterator[tuple[bytes, Span]]:
    """Name and place of each field."""
    opening = b"--" + boundary
    delimiter = b"\r\n" + opening
    if not body.startswith(opening):
        raise _invalid("it does not begin with the boundary of its Content-Type")
    at = len(opening)
    for _ in range(MAX_PARTS):
        if body[at : at + 2] == b"--":
            return
        head_end = body.find(b"\r\n\r\n", at, at + MAX_PART_HEAD)
        end = body.find(delimiter, head_end + 4) if head_end >= 0 else -1
        if end < 0 or body[at : at + 2] != b"\r\n":
            raise _invalid("a part of it has no end")
        yield _name(bytes(body[at:head_end])), (head_end + 4, end)
        at = end + len(delimiter)
    raise _invalid(f"it has more than {MAX_PARTS} parts")


def _name(head: bytes) -> bytes:
    for line in head.split(b"\r\n"):
        field, _, value = line.partition(b":")
        if field.strip().lower() == b"content-disposition":
            return parse_options_header(value.strip().decode("latin-1"))[1].get(b"name", b"")
    return b""


def _word(body: Body, where: Span) -> str:
    start, stop = where
    return bytes(body[start : min(stop, start + _MAX_WORD)]).decode(errors="replace")


def _invalid(why: str) -> RequestError:
    return fail(ErrorCode.INVALID_FORM, f"The body is not valid multipart/form-data: {why}.")
