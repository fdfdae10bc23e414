"""No minute, wherever it begins, has more than the limit; a refusal's time is true."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_router.domain.callers.keys import Caller, Limits
from slipway_router.domain.limits.memory import MemoryLimiter
from slipway_router.domain.limits.verdict import LimitKind, Refusal, Reservation, Verdict

NOON = 19_675 * 86_400.0 + 43_200
DAY = 86_400


@dataclass
class Scene:
    """A caller, and a clock that the test sets."""

    limits: Limits
    now: float = NOON
    limiter: MemoryLimiter = field(init=False)

    def __post_init__(self) -> None:
        self.limiter = MemoryLimiter(lambda: self.now, lambda: self.now)

    def ask(self, tokens: int = 0) -> Verdict:
        return self.limiter.reserve(Caller("team/key", limits=self.limits), tokens)

    def admitted(self, tokens: int = 0) -> Reservation | None:
        verdict = self.ask(tokens)
        assert verdict.refusal is None
        return verdict.reservation

    def refused(self, tokens: int = 0) -> Refusal:
        refusal = self.ask(tokens).refusal
        assert refusal is not None
        return refusal


def settled(reservation: Reservation | None, tokens: int | None) -> None:
    assert reservation is not None
    reservation.settle(tokens)


@given(limit=st.integers(1, 5), gaps=st.lists(st.floats(0, 45), min_size=1, max_size=60))
def test_at_most_the_limit_in_any_sixty_seconds(limit: int, gaps: list[float]) -> None:
    scene, admitted = Scene(Limits(requests_per_minute=limit)), []
    for gap in gaps:
        scene.now += gap
        if scene.ask().refusal is None:
            admitted.append(scene.now)
    for first, beyond in zip(admitted, admitted[limit:], strict=False):
        assert beyond - first > 60


@given(
    limits=st.builds(Limits, st.none() | st.integers(1, 5), st.none() | st.integers(1, 50), st.none()),
    asked=st.lists(st.tuples(st.floats(0, 20), st.integers(0, 60)), min_size=1, max_size=40),
)
def test_after_the_time_of_a_refusal_the_same_request_passes(limits: Limits, asked: list[tuple[float, int]]) -> None:
    scene = Scene(limits)
    for gap, tokens in asked:
        scene.now += gap
        refusal = scene.ask(tokens).refusal
        if refusal is not None:
            scene.now += refusal.retry_after
            assert scene.ask(tokens).refusal is None


def test_a_refusal_is_at_most_a_second_later_than_it_must_be() -> None:
    scene = Scene(Limits(requests_per_minute=1), now=NOON + 0.75)
    scene.admitted()
    scene.now += 10
    assert scene.refused() == Refusal(LimitKind.REQUESTS_PER_MINUTE, 51)
    scene.now += 50
    assert scene.refused().retry_after == 1
    scene.now += 0.25
    scene.admitted()


def test_nothing_is_counted_when_one_limit_refuses() -> None:
    scene = Scene(Limits(requests_per_minute=10, tokens_per_minute=100, tokens_per_day=1000, concurrent_requests=1))
    running = scene.admitted(60)
    assert scene.refused(41) == Refusal(LimitKind.TOKENS_PER_MINUTE, 61)
    assert scene.refused(40) == Refusal(LimitKind.CONCURRENT_REQUESTS, 1)
    settled(running, 60)
    verdict = scene.ask(40)
    assert (verdict.refusal, verdict.requests_left, verdict.tokens_left, verdict.today_left) == (None, 8, 0, 900)


def test_the_longest_refusal_is_named() -> None:
    scene = Scene(Limits(requests_per_minute=1, tokens_per_day=10))
    settled(scene.admitted(10), 10)
    assert scene.refused(1) == Refusal(LimitKind.TOKENS_PER_DAY, DAY // 2)


def test_an_estimate_beyond_the_limit_passes_when_nothing_is_used() -> None:
    scene = Scene(Limits(tokens_per_minute=100, tokens_per_day=150))
    first = scene.admitted(100_000)
    assert scene.refused(1).kind is LimitKind.TOKENS_PER_DAY
    settled(first, 30)
    assert scene.ask(70).today_left == 50


def test_what_was_used_counts_in_the_second_of_the_reservation() -> None:
    scene = Scene(Limits(tokens_per_minute=100))
    running = scene.admitted(10)
    scene.now += 50
    settled(running, 100)
    assert scene.refused(1).retry_after == 11
    scene.now += 11
    scene.admitted(100)


def test_more_than_the_limit_may_have_been_used_in_the_end() -> None:
    scene = Scene(Limits(tokens_per_minute=100))
    settled(scene.admitted(10), 250)
    verdict = scene.ask(0)
    assert (verdict.refusal, verdict.tokens_left) == (Refusal(LimitKind.TOKENS_PER_MINUTE, 61), 0)


def test_an_answer_that_outlasts_its_minute_changes_the_day_only() -> None:
    scene = Scene(Limits(tokens_per_minute=100, tokens_per_day=1000))
    running = scene.admitted(10)
    scene.now += 300
    settled(running, 500)
    verdict = scene.ask(1)
    assert (verdict.tokens_left, verdict.today_left) == (99, 499)


def test_a_new_day_begins_at_midnight_utc() -> None:
    scene = Scene(Limits(tokens_per_day=100))
    running = scene.admitted(100)
    assert scene.refused(1) == Refusal(LimitKind.TOKENS_PER_DAY, DAY // 2)
    scene.now += DAY // 2 - 0.5
    assert scene.refused(1).retry_after == 1
    scene.now += 0.5
    assert scene.ask(30).today_left == 70
    settled(running, 1000)  # Yesterday's.
    assert scene.ask(0).today_left == 70


def test_a_request_whose_use_nobody_knows_keeps_its_estimate() -> None:
    scene = Scene(Limits(tokens_per_minute=100, concurrent_requests=1))
    settled(scene.admitted(60), None)
    assert scene.ask(0).tokens_left == 40


@pytest.mark.parametrize("many", [1, 1000])
def test_the_memory_of_callers_is_bounded(many: int) -> None:
    limiter = MemoryLimiter(lambda: NOON, lambda: NOON, max_accounts=40)
    key = Caller("team/key", limits=Limits(requests_per_minute=many + 1))
    address = Limits(requests_per_minute=1)
    for number in range(many):
        limiter.reserve(Caller("anonymous", limits=address, bucket=f"ip:{number}"), 0)
        limiter.reserve(key, 0)
    assert limiter.accounts <= 40
    # Addresses push out each other, oldest first, never a key.
    assert limiter.reserve(key, 0).requests_left == 0
    newest = Caller("anonymous", limits=address, bucket=f"ip:{many - 1}")
    assert limiter.reserve(newest, 0).refusal is not None
