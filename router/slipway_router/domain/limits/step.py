"""Step: is the caller within its limits? And what becomes of its reservation when the request is over."""

from collections.abc import Awaitable
from typing import Protocol

from slipway_router.domain.callers.keys import NO_LIMITS, Caller
from slipway_router.domain.errors import FIRST_ERROR, RequestError
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.limits.estimate import estimate
from slipway_router.domain.limits.headers import header_lines, refused, unavailable
from slipway_router.domain.limits.verdict import Limiter, LimitKind, LimitsUnavailableError, Verdict


class Watcher(Protocol):
    """Who is told of requests that limits stopped."""

    def refused(self, exchange: Exchange, kind: LimitKind) -> None:
        """A request of a known caller was refused."""
        ...

    def uncounted(self) -> None:
        """A request could not be counted: the counts do not answer."""
        ...


class EnforceLimits:
    """Refuses requests of callers who have used up what they may use; tells the others how much is left."""

    def __init__(self, limiter: Limiter, watcher: Watcher, *, fail_open: bool) -> None:
        """With ``fail_open``, requests pass uncounted while the counts do not answer; else they are refused."""
        self._limiter = limiter
        self._watcher = watcher
        self._fail_open = fail_open

    def __call__(self, exchange: Exchange) -> Awaitable[None] | None:
        """Set ``exchange.reservation`` and add header fields to the answer.

        Raises:
            RequestError: 429, a limit refuses the request; 503, the counts do not answer.
        """
        caller = exchange.caller
        if caller is None or caller.limits is NO_LIMITS:
            return None
        limits = caller.limits
        counts_tokens = limits.tokens_per_minute is not None or limits.tokens_per_day is not None
        tokens = estimate(exchange) if counts_tokens else 0
        verdict = self._limiter.reserve(caller, tokens)
        if isinstance(verdict, Verdict):
            self._apply(exchange, caller, tokens, verdict)
            return None
        return self._wait(exchange, caller, tokens, verdict)

    async def _wait(self, exchange: Exchange, caller: Caller, tokens: int, verdict: Awaitable[Verdict]) -> None:
        try:
            known = await verdict
        except LimitsUnavailableError:
            self._watcher.uncounted()
            if self._fail_open:
                return
            raise RequestError(unavailable()) from None
        self._apply(exchange, caller, tokens, known)

    def _apply(self, exchange: Exchange, caller: Caller, tokens: int, verdict: Verdict) -> None:
        exchange.reply_lines += header_lines(caller.limits, verdict)
        refusal = verdict.refusal
        if refusal is not None:
            self._watcher.refused(exchange, refusal.kind)
            raise RequestError(refused(caller, tokens, refusal, verdict))
        exchange.reservation = verdict.reservation


def settle(exchange: Exchange) -> None:
    """Put what a request has used in place of what was reserved for it.

    What never came to an engine, or failed there, has used nothing. Of an answer that began but tells no numbers, such
    as one that was broken off, the estimate stays.
    """
    reservation = exchange.reservation
    if reservation is None:
        return
    exchange.reservation = None
    used: int | None = exchange.prompt_tokens + exchange.completion_tokens
    if not used and exchange.first_byte is not None and exchange.status < FIRST_ERROR:
        used = None
    reservation.settle(used)
