"""An engine's answer that comes whole is not given to the parser; it means what the parser would have found in it.

So every answer is sent twice, in one piece and with its first byte alone, and must be handed on the same.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from slipway_router.adapters.engines.answer_heads import AnswerHeads, HeadReader, ResponseHead
from slipway_router.adapters.engines.connection import EngineConnection
from tests.fakes.wires import Wire


class Notebook:
    """Notes what a connection hands on."""

    def __init__(self) -> None:
        self.heads: list[tuple[int, list[tuple[bytes, bytes]]]] = []
        self.body = b""
        self.complete = False
        self.lost_it = False

    def received(self, head: ResponseHead | None, pieces: list[bytes], complete: bool) -> None:
        if head is not None:
            self.heads.append((head.status, list(head.headers)))
        self.body += b"".join(pieces)
        self.complete = complete

    def lost(self, error: Exception) -> None:
        self.lost_it = True


Outcome = tuple[list[tuple[int, list[tuple[bytes, bytes]]]], bytes, bool, bool, bool]


def outcomes(answers: list[bytes], *, whole: bool) -> list[Outcome]:
    """What became of each answer, the last one that of which the connection ended."""
    connection = EngineConnection(AnswerHeads())
    Wire(connection)
    seen: list[Outcome] = []
    for answer in answers:
        notes = Notebook()
        connection.take(notes, (b"GET / HTTP/1.1\r\n\r\n",))
        connection.send()
        for piece in (answer,) if whole else (answer[:1], answer[1:]):
            if not connection.closed:
                connection.data_received(piece)
        kept = connection.release()
        seen.append((notes.heads, notes.body, notes.complete, notes.lost_it, kept))
        if not kept:
            break
    return seen


STATUS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 404 Not Found",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 200",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 204 No Content",
        b"HTTP/1.1 304 Not Modified",
        b"HTTP/1.1 101 Switching Protocols",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
        b"HTTP/1.1 999 Odd",
        b"HTTP/2 200 OK",
        b"HTTP/1.1 20 OK",
    ]
)
FIELDS = st.sampled_from(
    [
        b"date: Sat, 21 Nov 2026 14:00:00 GMT",
        b"Content-Type: application/json",
        b"x-odd:  \tblanks \t",
        b"x-empty:",
        b"x-latin: \xe4",
        b"x-bare: a\nb: c",
        b"x-return: a\rb",
        b"x-nul: \0",
        b"x-folded: a\r\n content-length: 5",
        b"bad name: x",
        b": nothing",
        b"no colon",
        b"Connection: keep-alive",
        b"connection: close",
        b"connection: x-odd",
        b"transfer-encoding: chunked",
        b"transfer-encoding: identity",
        b"upgrade: h2c",
        b"content-length: 2",
        b"content-length: +2",
        b"content-length: 2, 2",
    ]
)
BODIES = st.sampled_from([b"", b"{}", b"0123456789", b"{}\r\n\r\n{}", b"2\r\n{}\r\n0\r\n\r\n"])
LENGTHS = st.sampled_from([b"content-length: %d", b"Content-Length:%d", b"CONTENT-LENGTH: \t0%d ", b"x-length: %d"])


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    body = draw(BODIES)
    said = max(0, len(body) + draw(st.sampled_from([0, 0, 0, 0, -1, 1])))
    fields = draw(st.lists(FIELDS, max_size=3))
    fields.insert(draw(st.integers(0, len(fields))), draw(LENGTHS) % said)
    return b"\r\n".join([draw(STATUS), *fields]) + b"\r\n\r\n" + body


@settings(max_examples=1000, deadline=None)
@given(st.lists(answers(), min_size=1, max_size=4))
def test_however_the_bytes_are_cut(sent: list[bytes]) -> None:
    assert outcomes(sent, whole=True) == outcomes(sent, whole=False)


def test_a_plain_answer_needs_no_parser() -> None:
    head = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n"
    fields = [(b"server", b"x"), (b"content-length", b"2"), (b"connection", b"keep-alive")]
    read = AnswerHeads().read(head + b"{}")
    assert read is not None
    assert (read[0].status, read[0].headers, read[0].length, read[1]) == (200, fields, 2, b"{}")


def test_a_head_as_before_is_only_compared() -> None:
    reader = HeadReader(AnswerHeads())
    head = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: %d\r\nContent-Type: text/plain\r\n\r\n"
    bodies = (b"{}", b"x" * 100, b"", b"[]")
    read = [reader.read(head % len(body) + body) for body in bodies]
    assert [whole and whole[1] for whole in read] == list(bodies)
    assert [whole and whole[0].length for whole in read] == [2, 100, 0, 2]
    assert [dict(whole[0].headers)[b"content-length"] for whole in read if whole] == [b"2", b"100", b"0", b"2"]
    passed = {id(whole[0].passed) for whole in read if whole}
    assert len(passed) == 1
    assert next(whole[0].passed.fields for whole in read if whole) == [(b"content-type", b"text/plain")]


def test_what_is_not_whole_or_too_much_is_left_to_the_parser() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    heads = AnswerHeads()
    assert [heads.read(head + body) for body in (b"", b"{", b"{}{")] == [None, None, None]
