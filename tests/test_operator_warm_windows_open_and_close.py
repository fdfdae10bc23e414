"""Warm windows are open from their start to their end, in their own time zone, across changes of the clocks."""

from datetime import UTC, datetime, timedelta

import pytest

from slipway_crds.serving_spec import WarmWindow
from slipway_operator.domain.schedules import ScheduleError, Warmth, warmth

OFFICE = WarmWindow(start="0 8 * * 1-5", end="0 18 * * 1-5", min_replicas=2)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "replicas", "changes_in"),
    [
        ("11-20T07:59:59", 0, 1.0),
        ("11-20T08:00:00", 2, 36_000.0),
        ("11-20T17:59:59.5", 2, 0.5),
        ("11-20T18:00:00", 0, 62 * 3600.0),  # Friday: the next one opens on Monday.
        ("11-22T12:00:00", 0, 20 * 3600.0),
    ],
)
def test_a_window_is_open_from_its_start_until_its_end(moment: str, replicas: int, changes_in: float) -> None:
    assert warmth([OFFICE], at(moment)) == Warmth(replicas, changes_in)


def test_of_open_windows_the_largest_counts_and_the_next_change_of_any() -> None:
    noon = WarmWindow(start="0 11 * * *", end="0 13 * * *", min_replicas=5)
    assert warmth([OFFICE, noon], at("11-20T12:00:00")) == Warmth(5, 3600.0)
    assert warmth([OFFICE, noon], at("11-20T14:00:00")) == Warmth(2, 4 * 3600.0)


def test_a_window_may_go_over_midnight() -> None:
    night = WarmWindow(start="0 22 * * *", end="0 6 * * *")
    assert warmth([night], at("11-20T02:00:00")) == Warmth(1, 4 * 3600.0)


@pytest.mark.parametrize(("day", "utc_hour"), [("07-01", 6), ("12-01", 7)])
def test_hours_are_those_of_the_time_zone(day: str, utc_hour: int) -> None:
    berlin = WarmWindow(start="0 8 * * *", end="0 18 * * *", time_zone="Europe/Berlin")
    opens = at(f"{day}T{utc_hour:02}:00:00")
    assert warmth([berlin], opens).min_replicas == 1
    assert warmth([berlin], opens - timedelta(seconds=1)).min_replicas == 0


def test_without_windows_nothing_is_asked_for() -> None:
    assert warmth([], at("11-20T12:00:00")) == Warmth(0, None)


@pytest.mark.parametrize(
    ("window", "told"),
    [
        (WarmWindow(start="0 25 * * *", end="0 18 * * *"), "0 25 * * *"),
        (WarmWindow(start="0 8 * * *", end="x y z a b"), "x y z a b"),
        (WarmWindow(start="0 8 * * *", end="0 9 * * *", time_zone="Europe/Atlantis"), "Europe/Atlantis"),
    ],
)
def test_what_is_no_time_is_named(window: WarmWindow, told: str) -> None:
    with pytest.raises(ScheduleError, match=told.replace("*", r"\*").replace(".", r"\.")):
        warmth([window], at("11-20T12:00:00"))
