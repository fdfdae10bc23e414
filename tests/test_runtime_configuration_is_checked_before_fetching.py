"""What an engine cannot do is refused at the start, before any weights are fetched."""

from pathlib import Path
from typing import Any

import pytest

from slipway_crds.conditions import Reason
from slipway_crds.runtime_env import RuntimeEnv
from slipway_runtime.app.engines import engine_maker
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.weights import Weights


def env(**fields: Any) -> RuntimeEnv:
    return RuntimeEnv.model_validate({"model_name": "m", "model_source": "demo://dummy", "engine": "dummy"} | fields)


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"engine_args": ["--tokens-per-secnd=1"]}, Reason.INVALID_CONFIGURATION, "mean --tokens-per-second?"),
        ({"engine": "tei"}, Reason.ENGINE_NOT_AVAILABLE, "no engine tei; it has dummy, llamacpp, onnx"),
        ({"engine": "vllm"}, Reason.ENGINE_NOT_AVAILABLE, "install slipway[runtime-vllm]"),
        ({"engine": "vllm", "engine_args": ("--port=1",)}, Reason.INVALID_CONFIGURATION, "--port: Slipway sets it"),
        ({"engine": "onnx", "engine_args": ["--pooling=sum"]}, Reason.INVALID_CONFIGURATION, "--pooling"),
        ({"engine": "onnx", "engine_args": ["--dtipe=int8"]}, Reason.INVALID_CONFIGURATION, "did you mean --dtype"),
    ],
)
def test_it_is_refused(fields: dict[str, Any], reason: Reason, words: str) -> None:
    with pytest.raises(RuntimeFailure) as raised:
        engine_maker(env(**fields))
    assert raised.value.reason is reason
    assert words in raised.value.message


@pytest.mark.parametrize("engine", ["llamacpp", "onnx"])
def test_an_engine_that_needs_weights_says_so(engine: str) -> None:
    make = engine_maker(env(engine=engine))
    with pytest.raises(RuntimeFailure, match="needs weights; demo://dummy has none") as raised:
        make(Weights(None))
    assert raised.value.reason is Reason.INVALID_CONFIGURATION


def test_a_folder_with_several_ggufs_is_listed(tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).touch()
    with pytest.raises(RuntimeFailure, match=r"a\.gguf, b\.gguf"):
        engine_maker(env(engine="llamacpp"))(Weights(tmp_path))
