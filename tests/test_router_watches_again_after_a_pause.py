"""A watch that ended begins again after a pause: a longer one each time, but not after a watch that worked."""

import itertools

from slipway_router.adapters.kube.catalogue import next_pause


def test_pauses_grow_to_a_bound() -> None:
    pauses = itertools.accumulate(range(8), lambda pause, _: next_pause(pause, lasted=0.1), initial=0.0)
    assert list(pauses)[1:] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_watch_that_worked_is_followed_by_a_short_pause() -> None:
    assert next_pause(30, lasted=3600) == 1
