"""Answers of the dummy engine: JSON at once, or server-sent events token by token."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
from prometheus_client import Counter
from starlette.responses import StreamingResponse

from slipway_runtime.adapters.dummy.tally import Count
from slipway_runtime.domain.dummy import DummyRequest, count_words, max_tokens, tokens
from slipway_runtime.domain.openai import ApiError, usage


class BrokenOffError(Exception):
    """The request asked for a stream that breaks off; the server closes the connection."""


class Answer:
    """One request's answer: what it says and how fast."""

    def __init__(
        self, body: dict[str, Any], model: str, knobs: DummyRequest, answer_tokens: int, *, chat: bool
    ) -> None:
        prompt = body.get("messages" if chat else "prompt")
        if not isinstance(prompt, list if chat else (str, list)):
            name = "messages" if chat else "prompt"
            raise ApiError(400, f"{name} must be a {'list' if chat else 'string or a list'}", param=name)
        self.chat = chat
        self.count = max_tokens(body, answer_tokens)
        self.fail_at = knobs.fail_at_token
        self.prompt = count_words(prompt)
        self.usage = usage(self.prompt, self.count)
        options = body.get("stream_options") or {}
        self.include_usage = bool(options.get("include_usage"))
        self.continuous_usage = self.include_usage and bool(options.get("continuous_usage_stats"))
        self.model = model
        self._knobs = knobs
        self._created = int(time.time())

    async def pieces(self) -> AsyncIterator[str]:
        """The text's pieces, in time."""
        speed = self._knobs.tokens_per_second
        clock = asyncio.get_running_loop().time
        start = clock() + self._knobs.first_token_seconds
        for index, token in enumerate(tokens(self.count)):
            due = start + (index / speed if speed else 0)
            # A token that is late is sent at once, so that the speed holds on average.
            await asyncio.sleep(max(0.0, due - clock()))
            if index == self.fail_at:
                raise BrokenOffError
            yield token

    def envelope(self, choices: list[dict[str, Any]], *, chunk: bool) -> dict[str, Any]:
        """``choices`` in OpenAI's object for this kind of answer."""
        kind = ("chat.completion.chunk" if chunk else "chat.completion") if self.chat else "text_completion"
        return {
            "id": f"{'chatcmpl' if self.chat else 'cmpl'}-dummy",
            "object": kind,
            "created": self._created,
            "model": self.model,
            "choices": choices,
        }

    def choice(self, text: str | None, finish: str | None, *, chunk: bool) -> dict[str, Any]:
        """One choice with ``text`` in it; a chunk of a chat has a delta."""
        content: dict[str, Any] = {"text": text or ""}
        if self.chat:
            message = {} if text is None else {"role": "assistant", "content": text}
            content = {"delta" if chunk else "message": message}
        return {"index": 0, **content, "logprobs": None, "finish_reason": finish}


async def completion_body(answer: Answer, counter: Counter) -> dict[str, Any]:
    """The whole answer. Raises ApiError where the request asks for a failure."""
    try:
        text = "".join([piece async for piece in answer.pieces()])
    except BrokenOffError:
        message = "the engine failed, as dummy.fail_at_token asks"
        raise ApiError(500, message, kind="server_error") from None
    counter.inc(answer.count)
    body = answer.envelope([answer.choice(text, "length", chunk=False)], chunk=False)
    return {**body, "usage": answer.usage}


def stream_body(answer: Answer, counter: Counter, count: Count) -> StreamingResponse:
    """The answer as server-sent events, ending with ``data: [DONE]``. ``count`` learns what is in each."""

    def chunk(text: str | None, finish: str | None, done: int) -> bytes:
        content = answer.envelope([answer.choice(text, finish, chunk=True)], chunk=True)
        return _event({**content, "usage": usage(answer.prompt, done)} if answer.continuous_usage else content)

    async def events() -> AsyncIterator[bytes]:
        done = 0
        async for piece in answer.pieces():
            if count.dropped:
                return
            counter.inc()
            done += 1
            count.announce(answer.model, answer.prompt, done)
            yield chunk(piece, None, done)
        yield chunk(None, "length", done)
        if answer.include_usage:
            yield _event({**answer.envelope([], chunk=True), "usage": answer.usage})
        yield b"data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


def _event(content: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(content) + b"\n\n"
