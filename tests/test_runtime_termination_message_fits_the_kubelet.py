"""The termination message is JSON of at most 4096 bytes, whatever the cause says."""

import json

import pytest

from slipway_crds.conditions import Reason
from slipway_runtime.domain.failure import EXIT_CODES, RuntimeFailure, exit_status


@pytest.mark.parametrize("text", ["short", "x" * 10_000, "ü" * 5_000, '"\\\n' * 4_000])
def test_it_is_cut_and_stays_json(text: str) -> None:
    message = RuntimeFailure(Reason.ENGINE_FAILED, text).termination_message()
    assert len(message.encode()) <= 4096
    parsed = json.loads(message)
    assert parsed["reason"] == "EngineFailed"
    assert text.startswith(parsed["message"])
    assert parsed["message"] == text or len(message.encode()) > 4000


def test_every_reason_of_the_runtime_has_an_exit_code_that_is_no_success() -> None:
    assert all(0 < code < 256 for code in EXIT_CODES.values())


def test_a_signal_becomes_the_code_a_shell_reports() -> None:
    assert [exit_status(code) for code in (0, 3, -9, -15)] == [0, 3, 137, 143]
