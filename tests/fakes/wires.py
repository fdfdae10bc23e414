"""A transport without a socket."""

import asyncio


class Wire(asyncio.Transport):
    """Keeps what a protocol writes until someone takes it, in a list of its own or one that it shares with others."""

    def __init__(self, protocol: asyncio.Protocol, written: list[bytes] | None = None) -> None:
        super().__init__({"peername": ("127.0.0.1", 50000), "sockname": ("127.0.0.1", 8000)})
        self.protocol = protocol
        self.written: list[bytes] = [] if written is None else written
        self._closing = False
        self.write = self.written.append  # type: ignore[method-assign, assignment]
        protocol.connection_made(self)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    abort = close

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Half of the connection ends; nobody is there to notice."""

    def pause_reading(self) -> None:
        """Who feeds the protocol decides by itself when."""

    resume_reading = pause_reading

    def get_write_buffer_size(self) -> int:
        return 0
