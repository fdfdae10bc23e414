"""How long a model that failed is left alone before a request may start it again."""

from typing import Final

_FIRST_SECONDS: Final = 1.0
_LONGEST_SECONDS: Final = 60.0


def delay_after(failures: int) -> float:
    """Seconds to wait after the ``failures``-th failure in a row (1 is the first): 1, 2, 4 … 60."""
    return float(min(_FIRST_SECONDS * 2 ** min(failures - 1, 16), _LONGEST_SECONDS))
