"""Requests of OpenAI's image API, checked against what a pipeline can do.

The fields are OpenAI's (https://platform.openai.com/docs/api-reference/images); ``negative_prompt``, ``seed``,
``num_inference_steps`` (or ``steps``), ``guidance_scale`` and ``strength`` are named as diffusers names them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from slipway_runtime.domain.openai import ApiError

MAX_PROMPT: Final = 32_000
"""Characters; as OpenAI's."""
MAX_SEED: Final = 2**63 - 1
MAX_PARTIAL_IMAGES: Final = 3
DEFAULT_STRENGTH: Final = 0.8
SMALLEST_UNITS: Final = 2
"""Fewest units of a side: a latent of one pixel cannot be halved."""
IGNORED: Final = frozenset({"user", "quality", "style", "background", "moderation", "input_fidelity"})
"""Fields that OpenAI's clients send and that mean nothing to a diffusion model."""

_Text = Annotated[str, Field(min_length=1, max_length=MAX_PROMPT)]


class Operation(StrEnum):
    """What is to be done, as OpenAI's stream events call it."""

    GENERATE = "image_generation"
    EDIT = "image_edit"
    INPAINT = "inpaint"
    """An edit with a mask."""

    @property
    def event(self) -> str:
        """First part of the names of stream events."""
        return Operation.EDIT.value if self is Operation.INPAINT else self.value


@dataclass(frozen=True)
class ImageModel:
    """What a loaded pipeline can do, and its bounds and defaults."""

    width: int
    height: int
    unit: int
    """Sides are multiples of it, in pixels."""
    steps: int
    guidance: float | None
    """None for a pipeline without guidance."""
    negative_prompt: bool
    """Whether the pipeline takes one."""
    max_images: int
    max_size: int
    max_steps: int


@dataclass(frozen=True)
class Settings:
    """What pictures must have in common to be made in one run."""

    operation: Operation
    width: int
    height: int
    steps: int
    guidance: float | None
    negative: bool
    """Whether there is a negative prompt: some pipelines treat none and an empty one differently."""
    strength: float | None = None
    """How far an edit may go from its picture, above 0 to 1; None unless it is an edit."""


@dataclass(frozen=True)
class ImageRequest:
    """A valid request."""

    settings: Settings
    prompt: str
    negative_prompt: str | None
    seeds: tuple[int, ...]
    """One for each picture: each can be had again alone, by its own seed."""
    as_url: bool
    output_format: Literal["png", "jpeg", "webp"]
    quality: int
    """Of jpeg and webp, 0 to 100."""
    stream: bool
    partial_images: int


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    prompt: _Text
    negative_prompt: Annotated[str, Field(max_length=MAX_PROMPT)] | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    size: str | None = None
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = None
    num_inference_steps: Annotated[int, Field(ge=1)] | None = None
    steps: Annotated[int, Field(ge=1)] | None = None
    guidance_scale: Annotated[float, Field(ge=0, le=100)] | None = None
    response_format: Literal["b64_json", "url"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    stream: bool | None = None
    partial_images: Annotated[int, Field(ge=0, le=MAX_PARTIAL_IMAGES)] | None = None


class _EditFields(_Fields):
    strength: Annotated[float, Field(gt=0, le=1)] | None = None


_FieldsT = TypeVar("_FieldsT", bound=_Fields)


def parse_generation(body: Mapping[str, Any], model: ImageModel, new_seed: int) -> ImageRequest:
    """The request in ``body``; ``new_seed`` is for one that names none. Raises ApiError (400) that names the field."""
    fields = _validate(_Fields, body)
    return _request(fields, model, _size(fields.size, model, (model.width, model.height)), new_seed)


def parse_edit(
    fields: Mapping[str, Any], model: ImageModel, picture: tuple[int, int], new_seed: int, *, masked: bool
) -> ImageRequest:
    """The edit that a form's ``fields`` ask for, of a picture with the width and height ``picture``.

    An edit that names no size keeps the picture's, as far as the model can. Raises ApiError (400).
    """
    checked = _validate(_EditFields, fields)
    operation = Operation.INPAINT if masked else Operation.EDIT
    size = _size(checked.size, model, fitting_size(picture, model))
    strength = DEFAULT_STRENGTH if checked.strength is None else checked.strength
    asked = _request(checked, model, size, new_seed, operation, strength)
    if asked.settings.steps * strength < 1:
        message = f"strength {strength:g} leaves none of {asked.settings.steps} steps to do; raise one of them"
        raise ApiError(400, message, param="strength")
    return asked


def fitting_size(picture: tuple[int, int], model: ImageModel) -> tuple[int, int]:
    """The size nearest to ``picture``'s, in the same proportions, that the model can make."""
    scale = min(1.0, model.max_size / max(picture))
    width, height = (round(side * scale / model.unit) * model.unit for side in picture)
    smallest = SMALLEST_UNITS * model.unit
    return max(width, smallest), max(height, smallest)


def _request(
    fields: _Fields,
    model: ImageModel,
    size: tuple[int, int],
    new_seed: int,
    operation: Operation = Operation.GENERATE,
    strength: float | None = None,
) -> ImageRequest:
    _check_bounds(fields, model)
    steps = fields.num_inference_steps or fields.steps or model.steps
    guidance = model.guidance if fields.guidance_scale is None else fields.guidance_scale
    negative = fields.negative_prompt or None
    first = new_seed if fields.seed is None else fields.seed
    return ImageRequest(
        settings=Settings(operation, *size, steps, guidance, negative is not None, strength),
        prompt=fields.prompt,
        negative_prompt=negative,
        seeds=tuple(first + index for index in range(fields.n or 1)),
        as_url=fields.response_format == "url",
        output_format=fields.output_format or "png",
        quality=90 if fields.output_compression is None else fields.output_compression,
        stream=bool(fields.stream),
        partial_images=fields.partial_images or 0,
    )


def _validate(kind: type[_FieldsT], body: Mapping[str, Any]) -> _FieldsT:
    try:
        return kind.model_validate({name: value for name, value in body.items() if name not in IGNORED})
    except ValidationError as error:
        problem = error.errors()[0]
        name = str(problem["loc"][0])
        if problem["type"] == "extra_forbidden":
            message = f"unknown field {name!r}; known: {', '.join(kind.model_fields)}"
        else:
            message = f"{name}: {problem['msg']}"
        raise ApiError(400, message, param=name) from error


def _check_bounds(fields: _Fields, model: ImageModel) -> None:
    steps_field = "steps" if fields.num_inference_steps is None else "num_inference_steps"
    asked = fields.num_inference_steps or fields.steps or 1
    if (fields.n or 1) > model.max_images:
        raise ApiError(400, f"n is {fields.n}; this model makes at most {model.max_images} pictures at once", param="n")
    if asked > model.max_steps:
        message = f"{steps_field} is {asked}; this model takes at most {model.max_steps} steps"
        raise ApiError(400, message, param=steps_field)
    if fields.negative_prompt and not model.negative_prompt:
        raise ApiError(400, "this model takes no negative_prompt; leave it out", param="negative_prompt")
    if fields.guidance_scale is not None and model.guidance is None:
        raise ApiError(400, "this model takes no guidance_scale; leave it out", param="guidance_scale")


def _size(asked: str | None, model: ImageModel, default: tuple[int, int]) -> tuple[int, int]:
    if asked in (None, "auto"):
        return default
    match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", str(asked))
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    smallest = SMALLEST_UNITS * model.unit
    if any(side % model.unit or not smallest <= side <= model.max_size for side in sides):
        message = (
            f"size is {asked!r}; write WIDTHxHEIGHT in pixels, each a multiple of {model.unit} from {smallest} to "
            f"{model.max_size}, such as {model.width}x{model.height}, or auto"
        )
        raise ApiError(400, message, param="size")
    return sides
