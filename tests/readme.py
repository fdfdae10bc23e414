"""The commands of the README, for tests that run them as they stand."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language and its text."""

    language: str
    text: str


def blocks(heading: str, path: Path = ROOT / "README.md") -> list[Block]:
    """The fenced blocks below ``## heading``, in order."""
    parts = _HEADING.split(path.read_text())
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    return [Block(language, text) for language, text in _BLOCK.findall(sections[heading])]
