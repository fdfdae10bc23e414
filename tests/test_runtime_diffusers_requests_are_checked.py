"""An image request becomes settings and seeds within the model's bounds, or a refusal that names the field."""

from dataclasses import replace
from typing import Any

import pytest

from slipway_runtime.domain.images import (
    DEFAULT_STRENGTH,
    ImageModel,
    ImageRequest,
    Operation,
    fitting_size,
    parse_edit,
    parse_generation,
)
from slipway_runtime.domain.openai import ApiError

MODEL = ImageModel(
    width=64,
    height=48,
    unit=8,
    steps=50,
    guidance=7.5,
    negative_prompt=True,
    max_images=4,
    max_size=128,
    max_steps=100,
)


def parse(model: ImageModel = MODEL, **fields: Any) -> ImageRequest:
    return parse_generation({"model": "m", "prompt": "a red circle"} | fields, model, new_seed=7)


def test_what_a_request_leaves_out_is_the_models() -> None:
    asked = parse()
    assert (asked.settings.width, asked.settings.height) == (64, 48)
    assert (asked.settings.steps, asked.settings.guidance, asked.settings.operation) == (50, 7.5, Operation.GENERATE)
    assert (asked.seeds, asked.output_format, asked.as_url, asked.stream) == ((7,), "png", False, False)


def test_each_picture_has_a_seed_of_its_own() -> None:
    assert parse(n=3, seed=40).seeds == (40, 41, 42)


def test_auto_is_the_default_size() -> None:
    assert parse(size="auto").settings == parse().settings


def test_steps_has_two_names() -> None:
    assert parse(steps=3).settings == parse(num_inference_steps=3).settings
    assert parse(steps=3).settings.steps == 3


def test_a_guidance_of_nothing_is_not_the_default() -> None:
    assert parse(guidance_scale=0).settings.guidance == 0


def test_an_empty_negative_prompt_is_none() -> None:
    assert parse(negative_prompt="").settings == parse().settings
    assert parse(negative_prompt="blurry").settings != parse().settings


def test_fields_that_only_openais_models_know_are_ignored() -> None:
    assert parse(user="u", quality="hd", style="vivid", background="auto", moderation="low") == parse()


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"prompt": ""}, "prompt", "at least 1 character"),
        ({"prompt": 3}, "prompt", "string"),
        ({"n": 0}, "n", "greater than or equal to 1"),
        ({"n": 5}, "n", "at most 4 pictures"),
        ({"size": "64"}, "size", "WIDTHxHEIGHT"),
        ({"size": "64x60"}, "size", "multiple of 8"),
        ({"size": "64x136"}, "size", "from 16 to 128"),
        ({"size": "8x64"}, "size", "from 16 to 128"),
        ({"size": "64x-8"}, "size", "such as 64x48, or auto"),
        ({"steps": 101}, "steps", "at most 100 steps"),
        ({"num_inference_steps": 101}, "num_inference_steps", "at most 100 steps"),
        ({"num_inference_steps": 0}, "num_inference_steps", "greater than or equal to 1"),
        ({"guidance_scale": -1}, "guidance_scale", "greater than or equal to 0"),
        ({"seed": -1}, "seed", "greater than or equal to 0"),
        ({"seed": 2**63}, "seed", "less than or equal to"),
        ({"response_format": "file"}, "response_format", "'b64_json' or 'url'"),
        ({"output_format": "gif"}, "output_format", "'png', 'jpeg' or 'webp'"),
        ({"partial_images": 4}, "partial_images", "less than or equal to 3"),
        ({"strength": 0.5}, "strength", "unknown field"),
        ({"cfg": 1}, "cfg", "unknown field 'cfg'; known: model, prompt"),
    ],
)
def test_what_cannot_be_is_refused_by_name(fields: dict[str, Any], param: str, words: str) -> None:
    with pytest.raises(ApiError, match=words) as raised:
        parse(**fields)
    assert raised.value.status == 400
    assert raised.value.body["error"]["param"] == param


def test_a_missing_prompt_is_named() -> None:
    with pytest.raises(ApiError, match="prompt: Field required"):
        parse_generation({"model": "m"}, MODEL, new_seed=0)


@pytest.mark.parametrize("name", ["negative_prompt", "guidance_scale"])
def test_what_the_pipeline_does_not_take_is_refused(name: str) -> None:
    model = replace(MODEL, negative_prompt=False, guidance=None)
    value: Any = {"negative_prompt": "blurry", "guidance_scale": 2}[name]
    with pytest.raises(ApiError, match="leave it out") as raised:
        parse(model, **{name: value})
    assert raised.value.body["error"]["param"] == name


def test_an_edit_keeps_the_pictures_size_as_far_as_the_model_can() -> None:
    assert fitting_size((100, 60), MODEL) == (96, 64)
    assert fitting_size((512, 256), MODEL) == (128, 64)
    assert fitting_size((4000, 10), MODEL) == (128, 16)
    asked = parse_edit({"model": "m", "prompt": "p", "n": "2"}, MODEL, (100, 60), 7, masked=False)
    assert (asked.settings.width, asked.settings.height, asked.settings.strength) == (96, 64, DEFAULT_STRENGTH)
    assert asked.settings.operation is Operation.EDIT
    assert asked.seeds == (7, 8)


def test_an_edit_with_a_mask_is_another_operation_with_the_same_event_names() -> None:
    fields = {"model": "m", "prompt": "p", "size": "64x64", "strength": "0.5"}
    asked = parse_edit(fields, MODEL, (100, 60), 7, masked=True)
    assert (asked.settings.operation, asked.settings.strength) == (Operation.INPAINT, 0.5)
    assert asked.settings.operation.event == Operation.EDIT.event == "image_edit"


def test_an_edit_that_leaves_no_step_to_do_is_refused() -> None:
    fields = {"model": "m", "prompt": "p", "steps": "4", "strength": "0.2"}
    with pytest.raises(ApiError, match="leaves none of 4 steps"):
        parse_edit(fields, MODEL, (64, 64), 7, masked=False)
    assert parse_edit({**fields, "strength": "0.25"}, MODEL, (64, 64), 7, masked=False).settings.steps == 4
