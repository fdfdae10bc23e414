"""The rules of the Lease: who may take it, what a record says after it was taken, renewed and given back."""

from dataclasses import replace
from datetime import timedelta

import pytest

from slipway_operator.domain.election import LeaseRecord, LeaseTiming, may_take, released, taken
from tests.operators import START

TIMING = LeaseTiming(duration=15)
HELD = taken(None, "a", TIMING, START)


@pytest.mark.parametrize(
    ("holder", "unchanged_for", "allowed"),
    [
        ("a", 0, False),
        ("a", 15, False),
        ("a", 15.1, True),
        ("b", 0, True),  # its own
        ("", 0, True),  # given back
    ],
)
def test_others_wait_until_the_record_has_not_changed_for_its_duration(
    holder: str, unchanged_for: float, allowed: bool
) -> None:
    assert may_take(replace(HELD, holder=holder), "b", unchanged_for) is allowed


def test_renewing_keeps_the_time_of_taking() -> None:
    renewed = taken(HELD, "a", TIMING, START + timedelta(seconds=2))
    assert renewed == replace(HELD, renewed="2026-01-01T00:00:02.000000Z")


def test_taking_over_counts_a_transition() -> None:
    later = taken(HELD, "b", TIMING, START + timedelta(seconds=20))
    assert (later.holder, later.transitions, later.acquired) == ("b", 1, "2026-01-01T00:00:20.000000Z")


def test_what_was_given_back_can_be_taken_at_once() -> None:
    assert may_take(released(HELD, START), "b", 0)


def test_a_record_survives_the_api_server() -> None:
    assert LeaseRecord.of_spec(HELD.to_spec()) == HELD


def test_a_lease_that_somebody_emptied_can_be_taken() -> None:
    assert may_take(LeaseRecord.of_spec({"holderIdentity": None}), "b", 0)


def test_a_holder_gives_up_before_others_take_over() -> None:
    assert TIMING.renew_deadline + TIMING.retry < TIMING.duration
