"""What engines tell of usage in streams goes to callers who asked, and nothing else of a stream ever changes."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_router.domain.metering.stream_usage import MAX_EVENT, UsageHider
from slipway_router.domain.metering.usage import TIMINGS_MARK, USAGE_MARK

USAGE = {"prompt_tokens": 5, "total_tokens": 7, "completion_tokens": 2, "details": {"cached_tokens": 1, "tier": "a}b"}}
TIMINGS = {"cache_n": 14, "prompt_ms": 0.5, "predicted_n": 2}
SAID = 'about ,"usage":{"a":1}, and "timings": null and \\'
BOTH = (USAGE_MARK, TIMINGS_MARK)


def event(content: Any, spaces: bool = False, end: str = "\n\n") -> bytes:
    return f"data: {json.dumps(content, separators=None if spaces else (',', ':'))}{end}".encode()


def chunk(text: str, **more: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": {"content": text}}], **more}


def cut(body: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(at % len(body) for at in cuts), len(body)]
    return [body[start:end] for start, end in pairwise(edges)]


def through(hider: UsageHider, pieces: list[bytes]) -> bytes:
    out = [hider.feed([piece], last=False) for piece in pieces] + [hider.feed([], last=True)]
    return b"".join(piece for pieces in out for piece in pieces)


@pytest.mark.parametrize("spaces", [True, False])
@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n"])
@given(cuts=st.lists(st.integers(min_value=0), max_size=30))
def test_any_split_of_a_stream_gives_the_same(spaces: bool, end: str, cuts: list[int]) -> None:
    def stream(*contents: Any) -> bytes:
        return b"".join(event(content, spaces, end) for content in contents) + b"data: [DONE]\n\n"

    told = stream(
        chunk(SAID, usage=USAGE),
        chunk("usage", usage=None, object="x"),
        {"usage": USAGE, **chunk("a")},
        chunk("b", usage=USAGE, timings=TIMINGS),
        {"error": {"message": SAID}},
        {"choices": [], "usage": USAGE, "timings": TIMINGS},
    )
    shown = stream(chunk(SAID), chunk("usage", object="x"), chunk("a"), chunk("b"), {"error": {"message": SAID}})
    assert through(UsageHider(BOTH, drop_last=True), cut(told, cuts)) == shown


def test_who_asked_for_the_last_chunk_gets_it_whole() -> None:
    last = event({"choices": [], "usage": USAGE, "timings": TIMINGS})
    hider = UsageHider(BOTH, drop_last=False)
    assert through(hider, [event(chunk("a", usage=USAGE)), last]) == event(chunk("a")) + last


def test_a_chunk_without_choices_or_usage_stays() -> None:
    first = event({"choices": [], "prompt_filter_results": []})
    assert through(UsageHider((USAGE_MARK,), drop_last=True), [first]) == first


def test_only_what_is_named_is_hidden() -> None:
    both = event(chunk("a", usage=USAGE, timings=TIMINGS))
    assert through(UsageHider((TIMINGS_MARK,), drop_last=False), [both]) == event(chunk("a", usage=USAGE))
    assert through(UsageHider((USAGE_MARK,), drop_last=False), [both]) == event(chunk("a", timings=TIMINGS))


@given(cuts=st.lists(st.integers(min_value=0), max_size=10))
def test_events_that_are_too_long_pass_as_they_are(cuts: list[int]) -> None:
    long = event(chunk("x" * MAX_EVENT, usage=USAGE))
    body = event(chunk("a", usage=USAGE)) + long + event(chunk("b", usage=USAGE))
    assert through(UsageHider(BOTH, drop_last=True), cut(body, cuts)) == event(chunk("a")) + long + event(chunk("b"))


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n"])
@pytest.mark.parametrize("left", range(1, 5))
def test_the_event_behind_one_that_is_too_long_is_found_wherever_its_end_is_cut(end: str, left: int) -> None:
    long = event(chunk("x" * MAX_EVENT, usage=USAGE), end=end)
    body = long + event(chunk("b", usage=USAGE), end=end)
    found = through(UsageHider(BOTH, drop_last=True), cut(body, [len(long) - left]))
    assert found == long + event(chunk("b"), end=end)


def test_little_is_held_back() -> None:
    hider = UsageHider(BOTH, drop_last=True)
    piece = b"data: " + b"x" * 1000
    out = sum(len(part) for _ in range(1000) for part in hider.feed([piece], last=False))
    assert len(piece) * 1000 - out <= MAX_EVENT + len(piece)


def test_a_stream_without_usage_is_passed_on_as_the_same_objects() -> None:
    piece = event(chunk("a"))
    (out,) = UsageHider((USAGE_MARK,), drop_last=True).feed([piece], last=False)
    assert out is piece


def test_what_is_left_of_an_incomplete_event_goes_out_at_the_end() -> None:
    assert (
        through(UsageHider((USAGE_MARK,), drop_last=True), [event(chunk("a")), b"data: {"])
        == event(chunk("a")) + b"data: {"
    )
