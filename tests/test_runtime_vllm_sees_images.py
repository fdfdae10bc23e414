"""A vision model on vLLM: what is in a picture decides the answer, and pictures come inside of requests only."""

import base64
import signal
import threading
from collections.abc import Iterator

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.eventually import eventually
from tests.png_files import png
from tests.runtimes import RuntimeProcess
from tests.vllm_runtimes import processes_below, running

pytestmark = pytest.mark.engines
RED, GREEN, BLUE = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255)


@pytest.fixture(scope="module")
def process(vllm_vision: RuntimeProcess) -> RuntimeProcess:
    return vllm_vision


@pytest.fixture(scope="module")
def client(process: RuntimeProcess) -> Iterator[openai.OpenAI]:
    with process.openai() as client:
        yield client


def question(url: str) -> list[ChatCompletionMessageParam]:
    return [
        {
            "role": "user",
            "content": [{"type": "text", "text": "What is the"}, {"type": "image_url", "image_url": {"url": url}}],
        }
    ]


def in_request(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


@pytest.mark.parametrize(
    ("colour", "beginning"),
    [
        (RED, "The router is the gateway"),
        (GREEN, "The operator watches the custom resources"),
        (BLUE, "The key is stored in the Secret"),
    ],
    ids=["red", "green", "blue"],
)
def test_the_picture_decides_the_answer(
    client: openai.OpenAI, colour: tuple[int, int, int, int], beginning: str
) -> None:
    messages = question(in_request(png(40, 30, colour)))
    answer = client.chat.completions.create(model="m", messages=messages, temperature=0, max_tokens=60)
    assert (answer.choices[0].message.content or "").startswith(beginning)


def test_text_alone_is_answered_too(client: openai.OpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is Slipway?"}]
    answer = client.chat.completions.create(model="m", messages=messages, temperature=0, max_tokens=60)
    assert (answer.choices[0].message.content or "").startswith("Slipway serves models")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9/cat.png", "must be from one of the allowed domains"),
        ("file:///etc/hostname", "allowed-local-media-path"),
        ("data:image/png;base64,bm90IGEgcGljdHVyZQ==", "image"),
    ],
    ids=["remote", "local", "damaged"],
)
def test_other_pictures_are_refused(process: RuntimeProcess, url: str, words: str) -> None:
    # vLLM answers 500 for a local file, after which its server closes the connection, and 400 for the others; routers
    # ask it for none of them.
    with process.openai() as client, pytest.raises(openai.APIStatusError, match=words):
        client.chat.completions.create(model="m", messages=question(url), max_tokens=5)


def test_sigterm_lets_a_running_stream_finish_and_ends_every_process(
    process: RuntimeProcess, client: openai.OpenAI
) -> None:
    # The last test of this file: the process that all of them share ends here.
    engine = processes_below(process.process.pid)
    stream = client.completions.create(
        model="m", prompt="Slipway", max_tokens=400, stream=True, temperature=0, extra_body={"ignore_eos": True}
    )
    chunks = [next(stream)]
    reader = threading.Thread(target=lambda: chunks.extend(stream), daemon=True)
    reader.start()
    process.signal(signal.SIGTERM)
    process.wait_for_phase("draining")
    assert process.wait_for_exit(90) == 0, process.log
    reader.join(10)
    assert chunks[-1].choices[0].finish_reason == "length"
    eventually("vLLM's processes are gone", lambda: running(engine), lambda left: not left, within=10)
