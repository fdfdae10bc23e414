"""What keeps a GGUF from being served is told with its reason, in the termination message and by the exit code."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gguf_models import minilm, tiny_llama
from tests.runtimes import CHAT_MODEL, runtime

pytestmark = pytest.mark.local


def noise(path: Path) -> Path:
    path.write_bytes(bytes(range(256)) * 100)
    return path


def lfs_pointer(path: Path) -> Path:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    return path


def cut_header(path: Path) -> Path:
    path.write_bytes(tiny_llama(path).read_bytes()[:500])
    return path


def cut_tensors(path: Path) -> Path:
    path.write_bytes(tiny_llama(path).read_bytes()[:-5000])
    return path


def without_template(path: Path) -> Path:
    return tiny_llama(path, chat_template=None)


@pytest.mark.parametrize(
    ("make", "tasks", "reason", "words"),
    [
        (noise, (), "WeightsInvalid", "not a .gguf file that can be read: it begins with"),
        (lfs_pointer, (), "WeightsInvalid", "it is a pointer of Git LFS; fetch the file itself"),
        (cut_header, (), "WeightsInvalid", "its header is cut short or damaged; fetch it again"),
        (cut_tensors, (), "WeightsInvalid", "model is corrupted or incomplete"),
        (without_template, ("chat",), "ChatTemplateMissing", "write tasks: [completions], or give one by --chat-temp"),
        (minilm, ("chat",), "UnsupportedTask", "architecture, bert, cannot do chat; write tasks: [embeddings]"),
        (minilm, ("rerank",), "UnsupportedTask", "cannot do rerank: its .gguf file has no tensor cls.weight"),
    ],
)
def test_a_file_that_cannot_do_it(
    tmp_path: Path, make: Callable[[Path], Path], tasks: tuple[str, ...], reason: str, words: str
) -> None:
    source = f"file://{make(tmp_path / 'm.gguf')}"
    with runtime(tmp_path, engine="llamacpp", model_source=source, tasks=tasks) as process:
        assert process.wait_for_exit() != 0
        told = process.termination_message()
    assert told["reason"] == reason
    assert words in told["message"]


def test_a_model_without_template_does_completions_and_with_a_given_one_chat(tmp_path: Path) -> None:
    source = f"file://{without_template(tmp_path / 'm.gguf')}"
    for tasks, arguments in ((("completions",), ()), (("chat",), ("--chat-template=chatml",))):
        with runtime(tmp_path, engine="llamacpp", model_source=source, tasks=tasks, engine_args=arguments) as process:
            process.wait_for_phase("ready")


@contextmanager
def address_space(size: int) -> Iterator[None]:
    """Processes that are started meanwhile may have so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_a_context_that_does_not_fit_is_out_of_memory(tmp_path: Path) -> None:
    arguments = ("--ctx-size=20000000",)
    with (
        address_space(16 * 1024**3),
        runtime(tmp_path, engine="llamacpp", model_source=CHAT_MODEL, engine_args=arguments) as process,
    ):
        assert process.wait_for_exit() != 0
        told = process.termination_message()
    assert told["reason"] == "OutOfMemory"
    assert "lower --ctx-size" in told["message"]


def test_an_unknown_flag_is_named_before_anything_is_fetched(tmp_path: Path) -> None:
    source = "http://127.0.0.1:1/m.gguf"
    with runtime(tmp_path, engine="llamacpp", model_source=source, engine_args=("--ctx-sise=1",)) as process:
        assert process.wait_for_exit() == 78
        told = process.termination_message()
    assert told["reason"] == "InvalidConfiguration"
    assert "did you mean --ctx-size?" in told["message"]
