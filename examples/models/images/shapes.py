"""The world that the demo image model knows: coloured shapes, drawn from the captions that describe them."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

COLOURS = {
    "red": (214, 40, 40),
    "orange": (245, 133, 24),
    "yellow": (250, 208, 44),
    "green": (44, 160, 68),
    "blue": (40, 84, 200),
    "purple": (126, 60, 176),
    "pink": (245, 130, 180),
    "brown": (124, 76, 40),
    "black": (24, 24, 28),
    "white": (250, 250, 250),
}
SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond")
SIZES = {"small": 0.24, "": 0.34, "large": 0.44}
"""Half the width of a shape that stands alone, as a part of the picture's width."""
PAPER = (232, 230, 224)
"""The background of a caption that names none."""
OPENINGS = ("a {}", "a {}", "a {}", "{}", "the {}", "a picture of a {}", "draw a {}", "an image of a {}")
_SUPERSAMPLING = 4


@dataclass(frozen=True)
class Scene:
    """One or two shapes on a background."""

    shapes: tuple[tuple[str, str, str], ...]
    """Size, colour and name of each, from left to right."""
    background: str | None


def random_scene(rng: random.Random) -> Scene:
    """A scene in which every shape can be told from the background."""
    background = rng.choice([None, *COLOURS]) if rng.random() < 0.5 else None
    colours = [name for name in COLOURS if name != background and not (background is None and name == "white")]
    count = 2 if rng.random() < 0.3 else 1
    sizes = list(SIZES) if count == 1 else [""]
    shapes = [(rng.choice(sizes), rng.choice(colours), rng.choice(SHAPES)) for _ in range(count)]
    return Scene(tuple(shapes), background)


def caption(scene: Scene, rng: random.Random) -> str:
    """One of the ways to say what ``scene`` shows."""
    first, *others = (" ".join(word for word in shape if word) for shape in scene.shapes)
    text = rng.choice(OPENINGS).format(first)
    text += "".join(f" and a {other}" for other in others)
    if scene.background:
        text += rng.choice((" on a {}", " on a {} background", " on {}")).format(scene.background)
    return text


def draw(scene: Scene, rng: random.Random, width: int) -> Image.Image:
    """``scene`` as a square picture; places and sizes vary a little."""
    large = width * _SUPERSAMPLING
    picture = Image.new("RGB", (large, large), COLOURS[scene.background] if scene.background else PAPER)
    pen = ImageDraw.Draw(picture)
    alone = len(scene.shapes) == 1
    for index, (size, colour, shape) in enumerate(scene.shapes):
        radius = (SIZES[size] if alone else 0.2) * large * rng.uniform(0.93, 1.07)
        play = (0.5 - radius / large) * 0.35 if alone else 0.025
        x = (0.5 if alone else 0.26 + 0.48 * index) + rng.uniform(-play, play)
        y = 0.5 + rng.uniform(-play, play)
        _draw_shape(pen, shape, (x * large, y * large), radius, COLOURS[colour])
    return picture.resize((width, width), Image.Resampling.BOX)


def _draw_shape(
    pen: ImageDraw.ImageDraw, shape: str, centre: tuple[float, float], radius: float, colour: tuple[int, int, int]
) -> None:
    x, y = centre
    if shape == "circle":
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    else:
        pen.polygon([(x + radius * u, y + radius * v) for u, v in _OUTLINES[shape]], fill=colour)


def _regular(corners: int, inner: float | None = None) -> list[tuple[float, float]]:
    """A polygon with a corner at the top; with ``inner``, a star whose inner corners lie at that radius."""
    count = corners if inner is None else 2 * corners
    points = []
    for index in range(count):
        reach = 1.0 if inner is None or index % 2 == 0 else inner
        angle = 2 * math.pi * index / count - math.pi / 2
        points.append((reach * math.cos(angle), reach * math.sin(angle)))
    return points


def _heart() -> list[tuple[float, float]]:
    turns = [2 * math.pi * index / 60 for index in range(60)]
    return [
        (math.sin(t) ** 3, -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16)
        for t in turns
    ]


_OUTLINES = {
    "square": [(-0.87, -0.87), (0.87, -0.87), (0.87, 0.87), (-0.87, 0.87)],
    "triangle": [(0.0, -0.95), (1.0, 0.8), (-1.0, 0.8)],
    "star": _regular(5, inner=0.42),
    "heart": _heart(),
    "diamond": _regular(4),
}
