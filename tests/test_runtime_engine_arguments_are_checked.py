"""Engine arguments become typed options; a wrong one is named, with the known ones."""

import pytest

from slipway_crds.conditions import Reason
from slipway_runtime.domain.arguments import parse_arguments
from slipway_runtime.domain.dummy import DummyOptions
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.llamacpp import LlamaCppOptions
from slipway_runtime.domain.onnx import OnnxOptions


def test_values_may_follow_with_or_without_an_equals_sign() -> None:
    options = parse_arguments("llamacpp", ["--ctx-size=2048", "--threads", "3", "--mlock"], LlamaCppOptions)
    assert (options.ctx_size, options.threads, options.mlock) == (2048, 3, True)


def test_a_switch_can_be_set_to_false() -> None:
    assert parse_arguments("onnx", ["--auto-truncate=false"], OnnxOptions).auto_truncate is False


def test_nothing_given_is_the_default() -> None:
    assert parse_arguments("dummy", [], DummyOptions) == DummyOptions()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ctx-sise=1"], r"does not know the argument --ctx-sise; did you mean --ctx-size\? known: --file, "),
        (["--ctx-size=many"], r"argument --ctx-size: .*valid integer.*given: 'many'"),
        (["--ctx-size=-1"], "argument --ctx-size: .*greater than or equal to 0"),
        (["--flash-attn=maybe"], "argument --flash-attn: .*'auto', 'on' or 'off'"),
        (["--ctx-size"], "--ctx-size lacks its value; write --ctx-size=VALUE"),
        (["--threads", "--mlock"], "--threads lacks its value"),
        (["--mlock", "--mlock"], "--mlock is given twice"),
        (["ctx-size=1"], "is not a flag; write it as --name=value"),
    ],
)
def test_a_wrong_argument_is_named(arguments: list[str], words: str) -> None:
    with pytest.raises(RuntimeFailure, match=words) as raised:
        parse_arguments("llamacpp", arguments, LlamaCppOptions)
    assert raised.value.reason is Reason.INVALID_CONFIGURATION
