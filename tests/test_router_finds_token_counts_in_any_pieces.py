"""Token counts are found however the answer is cut into pieces."""

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from slipway_router.domain.metering.usage import UsageFinder

COUNTS = {"prompt_tokens": 212, "completion_tokens": 25, "total_tokens": 237}
SAID = 'about "usage": {"prompt_tokens": 1} in text \\'
ANSWER = json.dumps({"choices": [{"message": {"content": SAID * 20}}], "usage": COUNTS, "timings": {"ms": 3}}).encode()
STREAM = b"".join(
    f"data: {json.dumps(chunk)}\n\n".encode()
    for chunk in (*({"delta": SAID, "usage": None},) * 20, {"choices": [], "usage": COUNTS})
) + b"data: [DONE]\n\n"  # fmt: skip


MESSAGES = b"".join(
    f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
    for event in (
        {"type": "message_start", "message": {"usage": {"input_tokens": 212, "output_tokens": 1}}},
        *({"type": "content_block_delta", "delta": {"text": SAID}},) * 20,
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 25}},
    )
)


def usage_of(body: bytes, cuts: list[int], *, also_first: bool = False) -> tuple[int, int, int] | None:
    """Tokens of the prompt, of the answer, and those of the prompt that were cached."""
    finder = UsageFinder(also_first=also_first)
    edges = [0, *sorted(cut % len(body) for cut in cuts), len(body)]
    for start, end in pairwise(edges):
        finder.feed(body[start:end])
    usage = finder.usage
    return (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) if usage is not None else None


@given(st.lists(st.integers(min_value=0), max_size=30))
def test_in_one_answer(cuts: list[int]) -> None:
    assert usage_of(ANSWER, cuts) == (212, 25, 0)


@given(st.lists(st.integers(min_value=0), max_size=30))
def test_in_a_stream(cuts: list[int]) -> None:
    assert usage_of(STREAM, cuts) == (212, 25, 0)


@given(st.lists(st.integers(min_value=0), max_size=30))
def test_in_a_stream_that_tells_the_prompt_first(cuts: list[int]) -> None:
    assert usage_of(MESSAGES, cuts, also_first=True) == (212, 25, 0)


def test_where_a_piece_ends_within_the_second_mark() -> None:
    at = MESSAGES.rindex(b'"usage"') + 3
    assert usage_of(MESSAGES, [at], also_first=True) == (212, 25, 0)


def test_cached_tokens_are_part_of_the_prompt() -> None:
    openai = b'{"usage":{"prompt_tokens":15,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":14}}}'
    anthropic = (
        b'{"usage":{"cache_creation_input_tokens":3,"cache_read_input_tokens":14,"input_tokens":1,"output_tokens":4}}'
    )
    assert usage_of(openai, []) == (15, 4, 14)
    assert usage_of(anthropic, []) == (18, 4, 14)


def test_before_a_long_list_of_vectors() -> None:
    body = json.dumps({"usage": {"prompt_tokens": 5, "total_tokens": 5}, "data": [0.5] * 50_000}).encode()
    assert usage_of(body, list(range(0, len(body), 4096))) == (5, 0, 0)


def test_none_without() -> None:
    assert usage_of(b'{"data": "usage"}', []) is None
