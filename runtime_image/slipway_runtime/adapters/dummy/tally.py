"""What the dummy engine has really written, by request: an account to check other accounts against.

``GET /dummy/ledger`` tells it. ``POST /dummy/hold`` lets no further token out until ``POST /dummy/release``; once hold
is answered, everything counted before is with the kernel.
"""

import asyncio
import select
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from slipway_runtime.adapters.openai_http import json_response

MAX_REQUESTS: Final = 100_000
"""Requests that are remembered; of more, the latest."""
_COUNT: Final = "slipway_dummy_count"
_HUNG_UP: Final = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR | select.POLLNVAL


@dataclass(slots=True)
class Count:
    """Tokens of one request."""

    request_id: str = ""
    model: str = ""
    prompt: int = 0
    completion: int = 0
    next_prompt: int = 0
    """As `prompt` will be, once the next piece of the answer is written."""
    next_completion: int = 0
    dropped: bool = False
    """Whether something was not written since nobody reads it."""

    def announce(self, model: str, prompt: int, completion: int) -> None:
        """Say what the next piece of the answer brings the counts to."""
        self.model, self.next_prompt, self.next_completion = model, prompt, completion


def count_of(request: Request) -> Count:
    """The count of a request that came through `Tally.around`."""
    count: Count = request.scope[_COUNT]
    return count


class Tally:
    """Counts tokens at the moment at which they are written to a socket that somebody reads."""

    def __init__(self) -> None:
        self._counts: dict[str, Count] = {}
        self._open = asyncio.Event()
        self._open.set()

    def routes(self) -> list[Route]:
        """The paths by which the account is asked."""
        return [
            Route("/dummy/ledger", self._tell),
            Route("/dummy/hold", self._hold, methods=["POST"]),
            Route("/dummy/release", self._release, methods=["POST"]),
        ]

    def around(self, app: ASGIApp) -> ASGIApp:
        """``app``, with its answers counted as far as it announces what is in them."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            count = Count(dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1"))
            transport: asyncio.Transport = scope["extensions"]["slipway.transport"]["transport"]

            async def send_counted(message: Message) -> None:
                if message["type"] == "http.response.body" and not await self._take(count, transport, send):
                    return
                await send(message)

            await app({**scope, _COUNT: count}, receive, send_counted)

        return counted

    async def _take(self, count: Count, transport: asyncio.Transport, send: Send) -> bool:
        """Count what was announced; False if it must not be written, since nobody reads it."""
        if (count.next_prompt, count.next_completion) == (count.prompt, count.completion):
            return not count.dropped
        await self._open.wait()
        if transport.get_write_buffer_size():
            # Waits while the caller is slow, so that nothing comes between the look at the socket and the write.
            await send({"type": "http.response.body", "body": b"", "more_body": True})
        if _hung_up(transport):
            count.dropped = True
            count.next_prompt, count.next_completion = count.prompt, count.completion
            return False
        count.prompt, count.completion = count.next_prompt, count.next_completion
        if count.request_id not in self._counts:
            while len(self._counts) >= MAX_REQUESTS:
                del self._counts[next(iter(self._counts))]
            self._counts[count.request_id] = count
        return True

    async def _tell(self, _: Request) -> Response:
        counts: dict[str, Any] = {
            name: {"model": count.model, "prompt_tokens": count.prompt, "completion_tokens": count.completion}
            for name, count in self._counts.items()
        }
        return json_response({"requests": counts})

    async def _hold(self, _: Request) -> Response:
        self._open.clear()
        return json_response({"held": True})

    async def _release(self, _: Request) -> Response:
        self._open.set()
        return json_response({"held": False})


def _hung_up(transport: asyncio.Transport) -> bool:
    """Whether the other end has closed the connection, even if the event loop has not seen it yet."""
    if transport.is_closing():
        return True
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), _HUNG_UP)
    return bool(poll.poll(0))
