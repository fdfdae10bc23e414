"""Texts of mixed lengths, the same in every run."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

_WORDS = Path(__file__).with_name("words.txt").read_text(encoding="utf-8").split()
_SEED = 20_261_121

MIXES: Mapping[str, Sequence[tuple[int, int]]] = MappingProxyType(
    {"queries": ((3, 12),), "mixed": ((3, 12), (3, 12), (3, 12), (20, 80))}
)
"""Words in a text, from and to; each range is as likely as another of its mix."""


def texts(mix: str, count: int) -> list[str]:
    """``count`` texts of the mix ``mix``."""
    chosen = random.Random(_SEED)
    lengths = (chosen.randint(*chosen.choice(MIXES[mix])) for _ in range(count))
    return [" ".join(chosen.choices(_WORDS, k=length)) for length in lengths]
