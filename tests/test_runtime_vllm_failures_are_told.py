"""What only vLLM itself can find out: its own words reach ``/state``'s reason and the termination message."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from slipway_runtime.demo.embed_onnx import minilm_source
from tests import engines_environment
from tests.runtimes import CHAT_MODEL, RuntimeProcess, runtime
from tests.vllm_runtimes import LOAD_SECONDS

pytestmark = pytest.mark.engines
# What is asked for, and the reason and the words that it leads to.
CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "an unknown flag": (
        {"model_source": CHAT_MODEL, "engine_args": ("--max-modle-len=5",)},
        "InvalidConfiguration",
        "unrecognized arguments: --max-modle-len=5",
    ),
    "a value that the model cannot have": (
        {"model_source": CHAT_MODEL, "engine_args": ("--max-model-len=100000",)},
        "InvalidConfiguration",
        "max_model_len (100000) is greater than",
    ),
    "a task that the model cannot do": (
        {"model_source": minilm_source().as_uri(), "tasks": ("completions",)},
        "UnsupportedTask",
        "spec.tasks asks for what this model cannot do",
    ),
    "too little memory": (
        {"model_source": CHAT_MODEL, "engine_args": ("--kv-cache-memory-bytes=1000",)},
        "OutOfMemory",
        "No available memory for the cache blocks",
    ),
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RuntimeProcess]]:
    """All of them, started at once: most of what each does is to wait for its libraries."""
    python = engines_environment.python()
    with ExitStack() as stack:
        processes = {
            name: stack.enter_context(runtime(tmp_path_factory.mktemp("vllm"), engine="vllm", python=python, **fields))
            for name, (fields, _, _) in CASES.items()
        }
        for process in processes.values():
            process.wait_for_exit(LOAD_SECONDS)
        yield processes


@pytest.mark.parametrize("case", CASES)
def test_the_cause_is_told(ended: dict[str, RuntimeProcess], case: str) -> None:
    _, reason, words = CASES[case]
    process = ended[case]
    message = process.termination_message()
    assert message["reason"] == reason, process.log
    assert words in message["message"]
    assert process.process.returncode != 0
