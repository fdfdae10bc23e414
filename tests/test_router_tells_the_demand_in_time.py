"""What a router tells of a model's use: at once when somebody waits, else seldom, and never older news."""

from typing import Any

import pytest

from slipway_router.domain.models.catalogue import Endpoint, Model
from slipway_router.domain.models.demand import Demand, DemandBook, interval_of
from tests.routers import model

AWAKE = (Endpoint("10.0.0.1", 8000),)
NOW = 1_000_000.0


def sleepy(**fields: Any) -> Model:
    return model("chat-a", **{"sleep_after": 900.0, **fields})


def test_the_first_who_waits_is_told_of_at_once() -> None:
    assert DemandBook().due(sleepy(), 1, NOW, NOW) == Demand(NOW, 1)


def test_those_after_him_are_told_of_later_and_repeated() -> None:
    book = DemandBook()
    book.told(sleepy(), Demand(NOW, 1), NOW)
    assert book.due(sleepy(), 200, NOW + 9, NOW + 9) is None
    assert book.due(sleepy(), 200, NOW + 10, NOW + 10) == Demand(NOW + 10, 200)
    book.told(sleepy(), Demand(NOW + 10, 200), NOW + 10)
    assert book.due(sleepy(), 200, NOW + 20, NOW + 20) == Demand(NOW + 20, 200)


def test_that_nobody_waits_any_more_is_told() -> None:
    book = DemandBook()
    book.told(sleepy(), Demand(NOW, 5), NOW)
    awake = sleepy(endpoints=AWAKE, last_active=NOW)
    assert book.due(awake, 5, NOW + 10, NOW + 10) == Demand(NOW + 10, 0)


def test_use_is_told_every_few_seconds_and_its_end_exactly() -> None:
    book, awake = DemandBook(), sleepy(endpoints=AWAKE)
    assert book.due(awake, 1, NOW, NOW) == Demand(NOW, 0)
    book.told(awake, Demand(NOW, 0), NOW)
    assert book.due(awake, 1, NOW + 9.9, NOW + 9.9) is None
    assert book.due(awake, 0, NOW + 7, NOW + 10) == Demand(NOW + 7, 0)
    book.told(awake, Demand(NOW + 7, 0), NOW + 10)
    assert book.due(awake, 0, NOW + 7, NOW + 1000) is None


@pytest.mark.parametrize(("active", "last_active"), [(1, NOW), (0, NOW - 5)])
def test_what_another_router_told_is_not_repeated_and_not_put_back(active: int, last_active: float) -> None:
    assert DemandBook().due(sleepy(endpoints=AWAKE, last_active=NOW - 2), active, last_active, NOW) is None


def test_models_that_never_sleep_and_those_nobody_used_are_not_told_of() -> None:
    book = DemandBook()
    assert book.due(sleepy(sleep_after=None), 1, NOW, NOW) is None
    assert book.due(sleepy(), 0, None, NOW) is None


def test_a_model_that_is_gone_is_forgotten() -> None:
    book = DemandBook()
    book.told(sleepy(), Demand(NOW, 1), NOW)
    book.keep(set())
    assert book.due(sleepy(), 1, NOW + 1, NOW + 1) == Demand(NOW + 1, 1)


@pytest.mark.parametrize(("sleep_after", "seconds"), [(900, 10), (20, 5), (1, 1)])
def test_a_model_in_use_is_told_of_several_times_in_its_idle_time(sleep_after: float, seconds: float) -> None:
    assert interval_of(sleep_after) == seconds
