"""``demo://images`` draws the shape in the colour that the prompt names, on the ground that it names."""

import subprocess
from collections.abc import Iterator

import pytest

from tests import engines_environment
from tests.image_models import generate, image_model, pictures
from tests.runtimes import RuntimeProcess

pytestmark = pytest.mark.engines

RGB = {
    "red": (220, 40, 40),
    "green": (40, 160, 70),
    "blue": (40, 90, 220),
    "yellow": (245, 210, 60),
    "black": (0, 0, 0),
}
MEAN_OF_BOX = """
import sys
from PIL import Image
box = tuple(map(int, sys.argv[1].split(",")))
print(*Image.open(sys.stdin.buffer).convert("RGB").crop(box).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)))
"""
CENTRE, CORNER = "26,30,38,42", "2,2,8,8"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    with image_model(tmp_path_factory.mktemp("images")) as process:
        yield process


def colour(picture: bytes, box: str) -> str:
    """The name of the nearest colour to the mean of a box of the picture."""
    command = [str(engines_environment.python()), "-c", MEAN_OF_BOX, box]
    mean = tuple(map(int, subprocess.run(command, input=picture, stdout=subprocess.PIPE, check=True).stdout.split()))
    return min(RGB, key=lambda name: sum((a - b) ** 2 for a, b in zip(RGB[name], mean, strict=True)))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("prompt", "centre"),
    [("a red circle", "red"), ("a blue square", "blue"), ("a green triangle", "green"), ("a black diamond", "black")],
)
def test_the_shape_has_its_colour(process: RuntimeProcess, prompt: str, centre: str, seed: int) -> None:
    (picture,) = pictures(generate(process, prompt=prompt, steps=20, seed=seed))
    assert colour(picture, CENTRE) == centre


def test_the_ground_has_its_colour(process: RuntimeProcess) -> None:
    (picture,) = pictures(generate(process, prompt="a yellow star on a blue background", steps=20, seed=1))
    assert (colour(picture, CENTRE), colour(picture, CORNER)) == ("yellow", "blue")
