"""A GGUF with its vision projector beside it reads images of a chat; one without refuses them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.gguf_models import tiny_llama, tiny_projector
from tests.pictures import data_url, png
from tests.runtimes import RuntimeProcess, runtime

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    folder: Path = tmp_path_factory.mktemp("vision")
    models = folder / "models"
    models.mkdir()
    tiny_llama(models / "tiny.gguf")
    tiny_projector(models / "mmproj-tiny.gguf")
    with runtime(folder, engine="llamacpp", model_source=f"file://{models}", tasks=("chat",)) as process:
        process.wait_for_phase("ready")
        yield process


def ask(process: RuntimeProcess, url: str) -> httpx2.Response:
    content: list[dict[str, Any]] = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    body = {"model": "m", "temperature": 0, "max_tokens": 8, "messages": [{"role": "user", "content": content}]}
    return httpx2.post(f"{process.data_url}/v1/chat/completions", json=body, timeout=20)


def said(answer: httpx2.Response) -> str:
    assert answer.status_code == 200, answer.text
    content: str = answer.json()["choices"][0]["message"]["content"]
    return content


def test_answers_depend_on_what_the_image_shows(process: RuntimeProcess) -> None:
    red, blue = (data_url(png(40, 30, colour)) for colour in ((255, 0, 0), (0, 0, 255)))
    first = said(ask(process, red))
    assert said(ask(process, blue)) != first
    assert said(ask(process, red)) == first


@pytest.mark.parametrize("url", ["data:image/png;base64,AAAA", "file:///etc/hostname"])
def test_what_is_no_image_is_refused(process: RuntimeProcess, url: str) -> None:
    answer = ask(process, url)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_a_projector_is_not_a_model(tmp_path: Path) -> None:
    projector = tiny_projector(tmp_path / "clip.gguf")
    with runtime(tmp_path, engine="llamacpp", model_source=f"file://{projector}") as process:
        assert process.wait_for_exit() == 65
        assert "is a vision projector, not a model" in process.termination_message()["message"]
