"""Phases come in order and their times add up."""

import pytest

from slipway_runtime.domain.phases import Phase, Timeline


def test_time_is_counted_for_the_phase_that_ran() -> None:
    timeline = Timeline(since=10.0).enter(Phase.LOADING, 12.0).enter(Phase.WARMING, 15.0).enter(Phase.READY, 15.5)
    assert timeline.seconds(20.5) == {Phase.FETCHING: 2.0, Phase.LOADING: 3.0, Phase.WARMING: 0.5, Phase.READY: 5.0}


@pytest.mark.parametrize("phase", [Phase.WARMING, Phase.READY, Phase.FETCHING])
def test_no_phase_is_skipped(phase: Phase) -> None:
    with pytest.raises(ValueError, match=f"phase {phase} cannot follow fetching"):
        Timeline(since=0.0).enter(phase, 1.0)


@pytest.mark.parametrize("phase", list(Phase))
def test_nothing_follows_a_failure(phase: Phase) -> None:
    failed = Timeline(since=0.0).enter(Phase.FAILED, 1.0)
    with pytest.raises(ValueError, match="cannot follow failed"):
        failed.enter(phase, 2.0)


@pytest.mark.parametrize("path", [[], [Phase.LOADING], [Phase.LOADING, Phase.WARMING]])
def test_a_drain_or_a_failure_may_come_at_any_time(path: list[Phase]) -> None:
    timeline = Timeline(since=0.0)
    for phase in path:
        timeline = timeline.enter(phase, 1.0)
    assert timeline.enter(Phase.DRAINING, 2.0).enter(Phase.FAILED, 3.0).phase is Phase.FAILED
