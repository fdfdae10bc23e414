"""Answers of the image API: JSON at once, or server-sent events while a picture is being made.

Event names and fields are OpenAI's (https://platform.openai.com/docs/api-reference/images-streaming), and one of our
own: ``image_generation.progress`` tells after each step how many of how many are done.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from typing import Any

import orjson
from PIL import Image
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from slipway_runtime.adapters.diffusers.pictures import encode
from slipway_runtime.adapters.diffusers.worker import Job, Step
from slipway_runtime.domain.images import ImageRequest
from slipway_runtime.domain.openai import ApiError

Submit = Callable[[Callable[[Step], None]], Job]


async def images_body(asked: ImageRequest, job: Job, encoding: Executor) -> dict[str, Any]:
    """The answer of a request that does not stream."""
    loop = asyncio.get_running_loop()
    pictures = await job.result()
    packed = await asyncio.gather(*(loop.run_in_executor(encoding, encode, picture, asked) for picture in pictures))
    data = [{**_picture(asked, text), "seed": seed} for text, seed in zip(packed, asked.seeds, strict=True)]
    return {"created": int(time.time()), "data": data, **_facts(asked)}


class ImageEvents(StreamingResponse):
    """The answer of a request that streams; the job is cancelled when the answer ends, however it ends."""

    def __init__(self, asked: ImageRequest, submit: Submit, encoding: Executor) -> None:
        self._steps: asyncio.Queue[Step | None] = asyncio.Queue()
        self._asked = asked
        self._encoding = encoding
        self._job = submit(self._steps.put_nowait)
        self._job.done.add_done_callback(lambda _: self._steps.put_nowait(None))
        super().__init__(self._events(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._job.cancelled = True

    async def _events(self) -> AsyncIterator[bytes]:
        partial_index = 0
        while (step := await self._steps.get()) is not None:
            yield self._event("progress", step=step.number, steps=step.count, indices=step.places)
            for place, preview in step.previews.items():
                fields = await self._picture_fields(place, preview)
                yield self._event("partial_image", partial_image_index=partial_index, **fields)
            partial_index += bool(step.previews)
        try:
            pictures = await self._job.result()
        except Exception as error:
            yield _error_event(error)
            return
        for place, picture in enumerate(pictures):
            yield self._event("completed", **await self._picture_fields(place, picture))

    async def _picture_fields(self, place: int, picture: Image.Image) -> dict[str, Any]:
        text = await asyncio.get_running_loop().run_in_executor(self._encoding, encode, picture, self._asked)
        seed = self._asked.seeds[place]
        return {"b64_json": text, "index": place, "seed": seed, "created_at": int(time.time()), **_facts(self._asked)}

    def _event(self, kind: str, **fields: Any) -> bytes:
        name = f"{self._asked.settings.operation.event}.{kind}"
        return f"event: {name}\ndata: ".encode() + orjson.dumps({"type": name, **fields}) + b"\n\n"


def _picture(asked: ImageRequest, text: str) -> dict[str, str]:
    # A data URL holds the picture itself: replicas keep nothing, and any of them may answer the next request.
    return {"url": f"data:image/{asked.output_format};base64,{text}"} if asked.as_url else {"b64_json": text}


def _facts(asked: ImageRequest) -> dict[str, str]:
    settings = asked.settings
    return {
        "size": f"{settings.width}x{settings.height}",
        "output_format": asked.output_format,
        "quality": "auto",
        "background": "opaque",
    }


def _error_event(error: Exception) -> bytes:
    if not isinstance(error, ApiError):
        error = ApiError(500, "the engine failed on this request; its log has the cause", kind="server_error")
    return b"event: error\ndata: " + orjson.dumps(error.body) + b"\n\n"
