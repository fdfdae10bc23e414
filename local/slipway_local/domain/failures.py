"""Why a runtime ended, from what it left behind."""

import json
import signal
from collections.abc import Sequence

from slipway_crds.conditions import Reason
from slipway_local.domain.world import Problem
from slipway_runtime.domain.failure import signal_name

_MAX_MESSAGE = 2000


def problem_of(returncode: int, termination_message: str, last_words: Sequence[str]) -> Problem:
    """The cause of an end that nobody asked for.

    A runtime leaves ``{"reason", "message"}`` in its termination message. One that was killed leaves nothing; then the
    exit code (negative: the signal, as in `subprocess`) has to do.
    """
    told = _told(termination_message)
    if told is not None:
        return told
    if returncode < 0:
        name = signal_name(-returncode)
        hint = "; the kernel does so when memory runs out" if -returncode == signal.SIGKILL else ""
        return Problem(Reason.ENGINE_FAILED, f"the runtime was ended by {name}{hint}")
    because = f": {last_words[-1]}" if last_words else ""
    return Problem(Reason.ENGINE_FAILED, f"the runtime ended with exit code {returncode}{because}"[:_MAX_MESSAGE])


def _told(text: str) -> Problem | None:
    try:
        parsed = json.loads(text)
        return Problem(Reason(parsed["reason"]), str(parsed["message"])[:_MAX_MESSAGE])
    except (ValueError, KeyError, TypeError):
        return None
