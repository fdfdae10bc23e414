"""The diffusers engine answers the OpenAI client: pictures of the size and format asked for, streams, edits."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from tests.image_models import PNG, generate, image_model, pictures, png_size
from tests.png_files import png
from tests.runtimes import RuntimeProcess

pytestmark = pytest.mark.engines
FEW: dict[str, Any] = {"steps": 4, "seed": 1}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    with image_model(tmp_path_factory.mktemp("images")) as process:
        yield process


@pytest.fixture(scope="module")
def client(process: RuntimeProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{process.data_url}/v1", api_key="none", max_retries=0, timeout=120) as client:
        yield client


def test_pictures_have_the_size_that_was_asked_for(client: openai.OpenAI) -> None:
    for size, expected in (("auto", (64, 64)), ("96x32", (96, 32))):
        # Any: the client's types know the sizes of OpenAI's models only.
        asked: dict[str, Any] = {"model": "m", "prompt": "a red circle", "size": size, "n": 2, "extra_body": FEW}
        answer: Any = client.images.generate(**asked)
        assert [png_size(base64.b64decode(item.b64_json)) for item in answer.data] == [expected, expected]
        assert [item.model_extra["seed"] for item in answer.data] == [1, 2]


@pytest.mark.parametrize(("name", "start"), [("png", PNG), ("jpeg", b"\xff\xd8\xff"), ("webp", b"RIFF")])
def test_pictures_have_the_format_that_was_asked_for(process: RuntimeProcess, name: str, start: bytes) -> None:
    (picture,) = pictures(generate(process, output_format=name))
    assert picture.startswith(start)


def test_a_url_carries_the_picture_itself(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "m", "prompt": "a red circle", "extra_body": FEW}
    (by_url,) = client.images.generate(response_format="url", **asked).data or []
    (packed,) = client.images.generate(**asked).data or []
    assert by_url.url == f"data:image/png;base64,{packed.b64_json}"


def test_prompt_negative_prompt_guidance_and_seed_each_change_the_picture(process: RuntimeProcess) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"prompt": "a blue square"},
        {"negative_prompt": "a blue square"},
        {"guidance_scale": 1},
        {"seed": 2},
        {"steps": 5},
    ]
    made = [pictures(generate(process, **{"seed": 1, **change}))[0] for change in changes]
    assert len(set(made)) == len(changes)


def test_a_stream_tells_every_step_and_ends_with_the_picture(client: openai.OpenAI, process: RuntimeProcess) -> None:
    stream = client.images.generate(model="m", prompt="a red circle", stream=True, partial_images=2, extra_body=FEW)
    events: list[Any] = list(stream)
    progress = [(e.step, e.steps) for e in events if e.type == "image_generation.progress"]
    partial = [e.partial_image_index for e in events if e.type == "image_generation.partial_image"]
    assert progress == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert partial == [0, 1]
    assert events[-1].type == "image_generation.completed"
    assert [base64.b64decode(events[-1].b64_json)] == pictures(generate(process, seed=1))


def test_an_edit_keeps_to_its_picture_the_more_the_less_strength_it_has(client: openai.OpenAI) -> None:
    picture = png(64, 64, (200, 30, 30, 255))

    def edit(**extra: Any) -> bytes:
        answer = client.images.edit(model="m", image=("p.png", picture), prompt="a blue star", extra_body=FEW | extra)
        assert answer.data is not None
        return base64.b64decode(answer.data[0].b64_json or "")

    made = [edit(strength=0.25), edit(strength=1), edit(strength=0.25)]
    assert made[0] == made[2] != made[1]
    assert {png_size(one) for one in made} == {(64, 64)}


def test_a_mask_says_where_a_picture_may_change(client: openai.OpenAI) -> None:
    picture = png(64, 64, (200, 30, 30, 255))
    everywhere, nowhere = (("m.png", png(64, 64, (0, 0, 0, alpha))) for alpha in (0, 255))
    made = []
    for mask in (everywhere, nowhere):
        answer = client.images.edit(
            model="m", image=("p.png", picture), mask=mask, prompt="a blue star", extra_body={**FEW, "strength": 1}
        )
        assert answer.data is not None
        made.append(answer.data[0].b64_json)
    assert made[0] != made[1]


@pytest.mark.parametrize(
    ("files", "param", "words"),
    [
        ({}, "image", "image is missing"),
        ({"image": b"no picture"}, "image", "send PNG, JPEG or WebP"),
        ({"image": png(8, 8, (0, 0, 0, 255))[:45]}, "image", "not a readable picture"),
        ({"image": png(64, 64, (9, 9, 9, 255)), "mask": png(8, 8, (0, 0, 0, 0))}, "mask", "make them equal"),
        ({"image": png(64, 64, (9, 9, 9, 255)), "picture": b""}, "picture", "known: image, mask"),
    ],
)
def test_a_form_that_cannot_be_is_refused(
    process: RuntimeProcess, files: dict[str, bytes], param: str, words: str
) -> None:
    fields: dict[str, tuple[str | None, bytes]] = {"model": (None, b"m"), "prompt": (None, b"p")}
    fields |= {name: (f"{name}.png", data) for name, data in files.items()}
    answer = httpx2.post(f"{process.data_url}/v1/images/edits", files=fields, timeout=120)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert words in answer.json()["error"]["message"]


def test_an_edit_that_is_no_form_is_refused(process: RuntimeProcess) -> None:
    answer = httpx2.post(f"{process.data_url}/v1/images/edits", json={"model": "m"})
    assert answer.status_code == 415
    assert "multipart/form-data" in answer.json()["error"]["message"]


def test_refusals_use_the_envelope(process: RuntimeProcess) -> None:
    assert generate(process, size="63x64").json()["error"]["param"] == "size"
    other = generate(process, model="other")
    assert (other.status_code, other.json()["error"]["code"]) == (404, "model_not_found")
    wrong = httpx2.post(f"{process.data_url}/v1/chat/completions", json={"model": "m"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (404, "unsupported_path")
