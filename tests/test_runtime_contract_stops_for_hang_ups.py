"""A caller that hangs up frees its place in every engine within a second, streamed or not, at work or waiting."""

from contextlib import ExitStack

import pytest

from tests.engine_cases import PLACES, Started, sample
from tests.eventually import eventually

SECONDS = 1.0
DEAF_SECONDS = 8.0


def wait_for_in_flight(engine: Started, count: int, within: float) -> None:
    eventually(f"{count} in flight", engine.in_flight, lambda seen: seen == count, within=within, every=0.02)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_of_a_request_at_work(engine: Started, stream: bool) -> None:
    long = engine.case.long | ({"stream": stream} if engine.case.streams else {})
    with engine.open_request(long):
        wait_for_in_flight(engine, 1, within=20)
    if engine.case.deaf_while_asked and not stream:
        eventually("idle", engine.in_flight, lambda seen: seen == 0, within=DEAF_SECONDS, every=2.5)
    else:
        wait_for_in_flight(engine, 0, within=SECONDS)
    assert engine.ask(engine.case.good).status_code == 200


def test_of_a_request_that_waits(engine: Started) -> None:
    streamed = engine.case.long | ({"stream": True} if engine.case.streams else {})
    with ExitStack() as held:
        for _ in range(PLACES):
            held.enter_context(engine.open_request(streamed))
        wait_for_in_flight(engine, PLACES, within=20)
        with engine.open_request(streamed):
            wait_for_in_flight(engine, PLACES + 1, within=20)
            assert sample(engine.metrics(), engine.case.running) <= PLACES
        if not engine.case.deaf_while_asked:
            wait_for_in_flight(engine, PLACES, within=SECONDS)
    wait_for_in_flight(engine, 0, within=SECONDS if not engine.case.deaf_while_asked else DEAF_SECONDS)
