"""Why a text-embeddings-inference (TEI) container ended, from the end of its log.

TEI writes no termination message. Its last words are those of its command line parser (``error: unexpected …``) or a
chain of causes (``Error: …``, ``Caused by: …``); the patterns were read from its sources, router/src/lib.rs and
core/src/download.rs.
"""

import re
from typing import Final

from slipway_crds.conditions import Reason

_LAST_WORDS: Final = re.compile(r"^(?:Error|error): .*|^thread '.*' panicked at .*", re.MULTILINE)
_USAGE: Final = re.compile(r"\n\s*(?:Usage:|For more information|note: run with).*", re.DOTALL)

_CAUSES: Final = (
    (re.compile(r"^error: "), Reason.INVALID_CONFIGURATION),
    (re.compile(r"40[13] (?:Unauthorized|Forbidden)"), Reason.WEIGHTS_FORBIDDEN),
    (re.compile(r"404 Not Found"), Reason.WEIGHTS_NOT_FOUND),
    (re.compile(r"OUT_OF_MEMORY|out of memory", re.IGNORECASE), Reason.OUT_OF_MEMORY),
    (re.compile(r"[Cc]ould not download"), Reason.FETCH_FAILED),
    (
        re.compile(r"config\.json|tokenizer\.json|[Pp]ooling|safetensors|[Mm]odel .*not supported"),
        Reason.WEIGHTS_INVALID,
    ),
)


def cause_of(log: str) -> tuple[Reason, str] | None:
    """The root cause and TEI's own words for it; None when the log does not end with any."""
    words = list(_LAST_WORDS.finditer(log))
    if not words:
        return None
    told = _USAGE.sub("", log[words[-1].start() :])
    reason = next((reason for pattern, reason in _CAUSES if pattern.search(told)), Reason.ENGINE_FAILED)
    return reason, " ".join(told.split())
