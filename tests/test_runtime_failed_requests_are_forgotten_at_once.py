"""What a request held is freed when it fails, not when cycles are next looked for: bodies may be large."""

import asyncio
import gc
import weakref

import pytest
from starlette.requests import Request
from starlette.types import Message

from slipway_runtime.adapters.openai_http import unless_disconnected
from slipway_runtime.domain.openai import ApiError


class Body:
    """What a request brought."""


async def silence() -> Message:
    await asyncio.Event().wait()
    raise AssertionError("nothing was sent")


async def refuse(body: Body) -> None:
    raise ApiError(400, f"{body} cannot be used")


async def serve(seen: list[weakref.ref[Body]]) -> None:
    body = Body()
    seen.append(weakref.ref(body))
    await unless_disconnected(Request({"type": "http"}, silence), refuse(body))


async def test_a_failed_request_leaves_no_cycle() -> None:
    seen: list[weakref.ref[Body]] = []
    gc.disable()
    try:
        with pytest.raises(ApiError):
            await serve(seen)
        assert [body() for body in seen] == [None]
    finally:
        gc.enable()
