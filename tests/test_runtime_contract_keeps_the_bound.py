"""Every engine works on as many requests at once as it was told, and the others wait."""

import time
from contextlib import ExitStack

from tests.engine_cases import PLACES, Started, sample
from tests.eventually import eventually

MANY = 3 * PLACES
WATCHED_SECONDS = 1.0


def test_more_requests_than_places_wait(engine: Started) -> None:
    def running() -> float:
        return sample(engine.metrics(), engine.case.running)

    streamed = engine.case.long | ({"stream": True} if engine.case.streams else {})
    with ExitStack() as held:
        for _ in range(MANY):
            held.enter_context(engine.open_request(streamed))
        eventually("all places taken", running, lambda count: count == PLACES, within=20, every=0.02)
        eventually("all are inside", engine.in_flight, lambda count: count == MANY, within=20, every=0.02)
        end = time.monotonic() + WATCHED_SECONDS
        seen = {running()}
        while time.monotonic() < end:
            seen.add(running())
        assert max(seen) == PLACES
    eventually("all are gone", engine.in_flight, lambda count: count == 0, within=10, every=0.02)
