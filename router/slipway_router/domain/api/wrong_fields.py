"""Which field of a body or a frame is wrong, and why, from what its model says."""

from collections.abc import Iterable
from typing import Final

from pydantic_core import ErrorDetails

from slipway_router.domain.errors import ErrorCode, RequestError, fail

_LONGEST_NAME: Final = 100


def wrong_field(details: ErrorDetails, place: Iterable[int | str]) -> RequestError | None:
    """The error for a field at ``place``; None if nothing in particular is wrong but the whole."""
    if details["type"] == "extra_forbidden":
        field = ".".join(map(str, place))[:_LONGEST_NAME]
        return fail(ErrorCode.INVALID_VALUE, f"There is no field '{field}'.", param=field)
    # Between the names of fields, pydantic puts those of the types it tried.
    words = [part for part in place if isinstance(part, int) or (part.isidentifier() and part != "str")]
    field = ".".join(map(str, words))
    if not field:
        return None
    if details["type"] == "missing":
        return fail(ErrorCode.MISSING_FIELD, f"Field '{field}' is missing.", param=field)
    message = details["msg"]
    return fail(ErrorCode.INVALID_VALUE, f"Field '{field}': {message[0].lower()}{message[1:]}.", param=field)
