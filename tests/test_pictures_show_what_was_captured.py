"""The README's terminal pictures are drawn from the captured text beside them."""

import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
CAPTURES = sorted(FOLDER.glob("*.txt"))


def test_there_are_pictures() -> None:
    assert "slipway-up.txt" in [path.name for path in CAPTURES]


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_the_picture_is_up_to_date(capture: Path) -> None:
    render = runpy.run_path(str(FOLDER / "render.py"))["render"]
    drawn = render(capture.stem, capture.read_text())
    assert capture.with_suffix(".svg").read_text() == drawn, "run `python docs/pictures/render.py`"


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_the_picture_shows_every_line_and_fetches_nothing(capture: Path) -> None:
    picture = capture.with_suffix(".svg").read_text()
    shown = " ".join("".join(ElementTree.fromstring(picture).itertext()).split())
    for line in capture.read_text().splitlines():
        for word in line.split():
            assert word in shown
    assert "@font-face" not in picture
    assert "src:" not in picture
