"""What callers with limits are told of them: OpenAI's header fields, and the error of a refused request.

Source: https://platform.openai.com/docs/guides/rate-limits. There is a third group of fields, ``…-tokens-day``, for
tokens per day.
"""

from typing import Final

from slipway_router.domain.callers.keys import Caller, Limits
from slipway_router.domain.errors import ErrorCode, Problem
from slipway_router.domain.limits.verdict import COUNTED, MINUTE, LimitKind, Refusal, Verdict

_HOUR: Final = 60 * MINUTE
_Fields = list[tuple[bytes, bytes]]


def duration(seconds: int) -> bytes:
    """A time as OpenAI writes it: ``1s``, ``6m0s``, ``23h59m59s``."""
    if seconds < MINUTE:
        return b"%ds" % seconds
    if seconds < _HOUR:
        return b"%dm%ds" % divmod(seconds, MINUTE)
    return b"%dh%dm%ds" % (seconds // _HOUR, seconds % _HOUR // MINUTE, seconds % MINUTE)


_SHORT: Final = tuple(duration(seconds) for seconds in range(COUNTED + 1))


def add_headers(fields: _Fields, limits: Limits, verdict: Verdict) -> None:
    """Add the fields of every limit that a caller has."""
    requests, tokens, today = verdict.requests_left, verdict.tokens_left, verdict.today_left
    if requests is not None:
        fields += (
            (b"x-ratelimit-limit-requests", b"%d" % (limits.requests_per_minute or 0)),
            (b"x-ratelimit-remaining-requests", b"%d" % requests),
            (b"x-ratelimit-reset-requests", _SHORT[verdict.requests_reset]),
        )
    if tokens is not None:
        fields += (
            (b"x-ratelimit-limit-tokens", b"%d" % (limits.tokens_per_minute or 0)),
            (b"x-ratelimit-remaining-tokens", b"%d" % tokens),
            (b"x-ratelimit-reset-tokens", _SHORT[verdict.tokens_reset]),
        )
    if today is not None:
        fields += (
            (b"x-ratelimit-limit-tokens-day", b"%d" % (limits.tokens_per_day or 0)),
            (b"x-ratelimit-remaining-tokens-day", b"%d" % today),
            (b"x-ratelimit-reset-tokens-day", duration(verdict.today_reset)),
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
