"""PNG pictures of one colour, for tests that send images."""

import base64
import struct
import zlib


def png(width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    """A picture of ``width`` by ``height`` pixels."""
    rows = (b"\0" + bytes(colour) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def data_url(picture: bytes) -> str:
    """The picture as a URL that holds it."""
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
