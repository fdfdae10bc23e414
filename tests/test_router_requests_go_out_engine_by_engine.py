"""Requests of one turn of the event loop go out together, those for one engine in a row."""

import asyncio

from slipway_router.adapters.engines.answer_heads import AnswerHeads, ResponseHead
from slipway_router.adapters.engines.connection import EngineConnection
from slipway_router.adapters.engines.outbox import Outbox
from slipway_router.domain.models.balancing import Replica
from slipway_router.domain.models.catalogue import Endpoint
from tests.fakes.wires import Wire


class Nobody:
    """Waits for no answer."""

    def received(self, head: ResponseHead | None, pieces: list[bytes], complete: bool) -> None: ...

    def lost(self, error: Exception) -> None: ...


def connected(sent: list[bytes]) -> EngineConnection:
    """A connection that writes into ``sent``."""
    connection = EngineConnection(AnswerHeads())
    Wire(connection, sent)
    return connection


def put(outbox: Outbox, replica: Replica, sent: list[bytes], request: bytes) -> EngineConnection:
    connection = connected(sent)
    connection.take(Nobody(), (request,))
    outbox.add(replica, connection)
    return connection


async def test_those_for_one_engine_are_sent_in_a_row() -> None:
    one, other = Replica(Endpoint("127.0.0.1", 1), 0.0), Replica(Endpoint("127.0.0.1", 2), 0.0)
    outbox, sent = Outbox(asyncio.get_running_loop()), list[bytes]()
    for turn in (b"first", b"second"):
        for number, replica in enumerate((one, other, one, other)):
            put(outbox, replica, sent, b"%b %d" % (turn, number))
        assert not sent
        await asyncio.sleep(0)
        assert sent == [b"%b %d" % (turn, number) for number in (0, 2, 1, 3)]
        sent.clear()


async def test_one_whose_caller_leaves_in_the_same_turn_is_not_sent() -> None:
    replica = Replica(Endpoint("127.0.0.1", 1), 0.0)
    outbox, sent = Outbox(asyncio.get_running_loop()), list[bytes]()
    left = put(outbox, replica, sent, b"left")
    assert not left.hang_up(Nobody())
    assert not left.release()
    put(outbox, replica, sent, b"stayed")
    await asyncio.sleep(0)
    assert left.closed
    assert sent == [b"stayed"]
