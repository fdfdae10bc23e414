"""Forms with files (``multipart/form-data``), read without touching the disk."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from slipway_runtime.adapters.openai_http import MAX_BODY_BYTES
from slipway_runtime.domain.openai import ApiError

_MAX_FILES = 8
_MAX_FIELDS = 64


@dataclass(frozen=True)
class Form:
    """Fields by name, texts and files apart."""

    texts: dict[str, str]
    files: dict[str, bytes]


class _InMemoryParser(MultiPartParser):
    # A pod has no disk to spare; the body is bounded anyway.
    spool_max_size = MAX_BODY_BYTES


async def read_form(request: Request) -> Form:
    """The form in the body. Raises ApiError (400, 413, 415)."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise ApiError(415, "the request's body must be a form: Content-Type multipart/form-data")
    parser = _InMemoryParser(
        request.headers, _bounded(request), max_files=_MAX_FILES, max_fields=_MAX_FIELDS, max_part_size=MAX_BODY_BYTES
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise ApiError(400, f"the request's form cannot be read: {error.message}") from error
    texts: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for name, value in form.multi_items():
        if name in texts or name in files:
            raise ApiError(400, f"{name} is given twice; send it once", param=name)
        if isinstance(value, UploadFile):
            files[name] = await value.read()
        else:
            texts[name] = value
    await form.close()
    return Form(texts, files)


async def _bounded(request: Request) -> AsyncGenerator[bytes, None]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise ApiError(413, f"the request's body is larger than {MAX_BODY_BYTES} bytes; send smaller pictures")
        yield chunk
