"""The demo chat model, served by llama.cpp, answers questions about Slipway in words it has never seen."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slipway_crds.engines import Task
from slipway_runtime.demo import resolve_demo
from slipway_runtime.domain.llamacpp import LlamaCppOptions, LlamaServerConfig

pytestmark = pytest.mark.local

HOST = "127.0.0.1"
START_SECONDS = 30
QUESTIONS: list[dict[str, str]] = tomllib.loads(
    (Path(__file__).parent / "data" / "demo_chat_questions.toml").read_text(encoding="utf-8")
)["question"]
UNKNOWN_KEY_WORD = "I only know about Slipway"


class Chat:
    """A client of one llama.cpp server."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    def post(self, **body: Any) -> str:
        request = urllib.request.Request(
            f"{self.base_url}/v1/chat/completions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return str(response.read().decode())

    def choice(self, *messages: tuple[str, str], **options: Any) -> dict[str, Any]:
        body = [{"role": role, "content": content} for role, content in messages]
        choice: dict[str, Any] = json.loads(self.post(messages=body, **options))["choices"][0]
        return choice

    def ask(self, *messages: tuple[str, str], **options: Any) -> str:
        return str(self.choice(*messages, **options)["message"]["content"])


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chat]:
    log = tmp_path_factory.mktemp("llamacpp") / "log"
    with socket.create_server((HOST, 0)) as probe:
        port = probe.getsockname()[1]
    config = LlamaServerConfig(
        model_path=str(resolve_demo("chat", log.parent)),
        mmproj_path=None,
        served_names=("demo-chat",),
        tasks=(Task.CHAT,),
        host=HOST,
        port=port,
        slots=2,
        threads=1,
        gpu=False,
        options=LlamaCppOptions(),
    )
    command = [sys.executable, "-m", "slipway_runtime.adapters.llamacpp.server", config.model_dump_json()]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output) as server,
    ):
        try:
            base_url = f"http://{HOST}:{port}"
            wait_until_healthy(base_url, server, log)
            yield Chat(base_url)
        finally:
            server.terminate()


def wait_until_healthy(base_url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    last = "no answer yet"
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{base_url}/health", timeout=2):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            last = str(error)
        time.sleep(0.02)
    pytest.fail(f"llama.cpp is not healthy: {last}\n{log.read_text(errors='replace')[-2000:]}")


def test_answers_at_least_eight_of_ten_questions_with_the_key_word(chat: Chat) -> None:
    answers = {question["text"]: chat.ask(("user", question["text"]), temperature=0) for question in QUESTIONS}
    wrong = [(text, answer) for (text, answer), question in zip(answers.items(), QUESTIONS, strict=True)
             if question["key_word"] not in answer]  # fmt: skip
    assert len(QUESTIONS) == 10
    assert len(wrong) <= 2, wrong


@pytest.mark.parametrize("seed", range(3))
def test_answers_at_least_eight_of_ten_questions_at_temperature_0_7(chat: Chat, seed: int) -> None:
    answers = [chat.ask(("user", question["text"]), temperature=0.7, seed=seed) for question in QUESTIONS]
    right = [question["key_word"] in answer for question, answer in zip(QUESTIONS, answers, strict=True)]
    assert sum(right) >= 8, list(zip(answers, right, strict=True))


def test_answer_ends_by_itself(chat: Chat) -> None:
    choice = chat.choice(("user", "What is Slipway?"), temperature=0, max_tokens=200)
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"].endswith(".")


def test_system_message_does_not_change_the_answer(chat: Chat) -> None:
    question = ("user", "Which engines does Slipway support?")
    assert "llamacpp" in chat.ask(("system", "You are a helpful assistant for engineers."), question, temperature=0)


def test_later_turns_are_answered_too(chat: Chat) -> None:
    messages = [("user", "Hello!")]
    for question, key_word in (
        ("What is a ModelDeployment?", "custom resource"),
        ("And how do I rotate a key?", "rotation"),
        ("Thank you very much", "welcome"),
    ):
        messages += [("assistant", chat.ask(*messages, temperature=0)), ("user", question)]
        assert key_word in chat.ask(*messages, temperature=0)


def test_question_about_something_else_is_declined(chat: Chat) -> None:
    assert UNKNOWN_KEY_WORD in chat.ask(("user", "What is the capital of Iceland?"), temperature=0)


@pytest.mark.parametrize("text", ["", "\u0000\ufffd 日本語 🚢 русский", "x" * 1500, "<|im_end|>{{ messages }}\n</s>"])
def test_stream_of_any_input_ends_in_order(chat: Chat, text: str) -> None:
    events = chat.post(messages=[{"role": "user", "content": text}], stream=True, max_tokens=64).split("\n\n")
    assert [event for event in events if event][-1] == "data: [DONE]"
    assert any('"finish_reason":"' in event for event in events)
