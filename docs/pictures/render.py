"""Draws the terminal pictures of the README: ``python docs/pictures/render.py`` writes NAME.svg for each NAME.txt here.

A text file is what a real terminal showed, prompt and all; only keys are shortened in it.
"""

import io
import re
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

FOLDER = Path(__file__).parent
_STYLES = (
    (r"^\$ .*$", "bold"),
    (r"^(?:[A-Z]+ {2,})+[A-Z]+ *$", "bold"),
    (r"\bready in .*$|\bReady\b", "green"),
    (r"\b(?:starting|fetching|loading|warming)\b|\bStarting\b", "yellow"),
    (r"\b(?:Unschedulable|ImagePullBackOff|OOMKilled|WeightsNotFound)\b", "red"),
    (r"https?://\S+", "cyan"),
)
# A picture that fetches a font from elsewhere would show none on most pages that embed it.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def render(name: str, captured: str) -> str:
    """The SVG of what a terminal showed."""
    lines = captured.rstrip("\n").splitlines()
    width = max(len(line) for line in lines) + 1
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    text = Text("\n".join(lines), no_wrap=True)
    for pattern, style in _STYLES:
        text.highlight_regex(re.compile(pattern, re.MULTILINE), style)
    console.print(text, crop=False)
    title = lines[0].removeprefix("$ ")
    return console.export_svg(title=title, theme=MONOKAI, code_format=_FORMAT, unique_id=name)


def main() -> None:
    """Draw every picture."""
    for path in sorted(FOLDER.glob("*.txt")):
        path.with_suffix(".svg").write_text(render(path.stem, path.read_text()))


if __name__ == "__main__":
    main()
