"""What callers with limits are told of them: OpenAI's header fields, and the error of a refused request.

Source: https://platform.openai.com/docs/guides/rate-limits. There is a third group of fields, ``…-tokens-day``, for
tokens per day.
"""

from typing import Final

from slipway_router.domain.callers.keys import Caller, Limits
from slipway_router.domain.errors import ErrorCode, Problem
from slipway_router.domain.limits.verdict import COUNTED, MINUTE, LimitKind, Refusal, Verdict

_HOUR: Final = 60 * MINUTE


def duration(seconds: int) -> bytes:
    """A time as OpenAI writes it: ``1s``, ``6m0s``, ``23h59m59s``."""
    if seconds < MINUTE:
        return b"%ds" % seconds
    if seconds < _HOUR:
        return b"%dm%ds" % divmod(seconds, MINUTE)
    return b"%dh%dm%ds" % (seconds // _HOUR, seconds % _HOUR // MINUTE, seconds % MINUTE)


_SHORT: Final = tuple(duration(seconds) for seconds in range(COUNTED + 1))


def header_lines(limits: Limits, verdict: Verdict) -> bytes:
    """The lines of an answer's header on every limit that a caller has, each with its CRLF."""
    requests, tokens, today = verdict.requests_left, verdict.tokens_left, verdict.today_left
    lines = b""
    if requests is not None:
        lines = _lines(b"requests", limits.requests_per_minute or 0, requests, _SHORT[verdict.requests_reset])
    if tokens is not None:
        lines += _lines(b"tokens", limits.tokens_per_minute or 0, tokens, _SHORT[verdict.tokens_reset])
    if today is not None:
        lines += _lines(b"tokens-day", limits.tokens_per_day or 0, today, duration(verdict.today_reset))
    return lines


def _lines(what: bytes, limit: int, left: int, reset: bytes) -> bytes:
    return b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %d\r\nx-ratelimit-reset-%b: %b\r\n" % (
        what,
        limit,
        what,
        left,
        what,
        reset,
    )


def refused(caller: Caller, tokens: int, refusal: Refusal, verdict: Verdict) -> Problem:
    """What the caller of a refused request, one that would use about ``tokens``, is told."""
    limits, seconds = caller.limits, refusal.retry_after
    match refusal.kind:
        case LimitKind.REQUESTS_PER_MINUTE:
            code, what = ErrorCode.TOO_MANY_REQUESTS, f"{limits.requests_per_minute} requests per minute"
        case LimitKind.CONCURRENT_REQUESTS:
            code, what = ErrorCode.TOO_MANY_REQUESTS, f"{limits.concurrent_requests} requests at once"
        case LimitKind.TOKENS_PER_MINUTE:
            what = f"{limits.tokens_per_minute} tokens per minute{_used(verdict.tokens_left, tokens)}"
            code = ErrorCode.TOO_MANY_TOKENS
        case LimitKind.TOKENS_PER_DAY:
            what = f"{limits.tokens_per_day} tokens per day (UTC){_used(verdict.today_left, tokens)}"
            code = ErrorCode.TOO_MANY_TOKENS
    message = f"Rate limit reached for {caller.name}: {what}. Try again in {duration(seconds).decode()}."
    return Problem(code, message, retry_after=seconds)


def _used(left: int | None, tokens: int) -> str:
    return f" ({left} left, this request may use about {tokens})"


def unavailable() -> Problem:
    """What a caller with limits is told when nobody can tell how much it has used."""
    message = "The store that counts limits does not answer, so this request cannot be admitted. Try again."
    return Problem(ErrorCode.LIMITS_UNAVAILABLE, message, retry_after=1)
