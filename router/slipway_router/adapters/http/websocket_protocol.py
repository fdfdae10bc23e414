"""The server side of WebSockets: uvicorn's, but a drain lets running chats finish."""

from typing import Any, Final, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MAX_FRAME: Final = 1024 * 1024
"""Bytes of a message from the caller."""
DRAIN: Final = "slipway.drain"
"""Type of the event by which an application learns that it should come to an end."""


class DrainingSocketProtocol(WebSocketsSansIOProtocol):
    """One connection."""

    def shutdown(self) -> None:
        """Tell the application; it closes the connection when its chats are over."""
        if self.handshake_complete and not self.close_sent:
            self.queue.put_nowait(cast(Any, {"type": DRAIN}))
        else:
            super().shutdown()
