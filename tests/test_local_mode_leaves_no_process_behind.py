"""However `slipway up` ends, its runtimes end with it."""

import contextlib
import signal
from pathlib import Path

import httpx2
import pytest

from tests.local_mode import SlipwayUp, alive, document, gone, slipway_up, with_descendants

pytestmark = pytest.mark.local


def started(up: SlipwayUp) -> list[int]:
    """Every process below ``slipway up``, with the model ready."""
    up.shows("words  ready in ")
    processes = with_descendants(up.runtimes())
    assert processes
    assert alive(processes) == processes
    return processes


def slow_stream(up: SlipwayUp, tokens: int) -> dict[str, object]:
    return {
        "url": f"{up.base_url}/chat/completions",
        "headers": {"Authorization": f"Bearer {up.keys['local']}"},
        "json": {
            "model": "words",
            "messages": [{"role": "user", "content": "x"}],
            "max_tokens": tokens,
            "stream": True,
            "dummy": {"tokens_per_second": 2},
        },
    }


def test_ctrl_c_lets_a_short_stream_finish_and_ends_everything(tmp_path: Path) -> None:
    with slipway_up(tmp_path, document("words"), "--eager") as up:
        processes = started(up)
        with httpx2.stream("POST", **slow_stream(up, tokens=4)) as answer:  # type: ignore[arg-type]
            lines = answer.iter_lines()
            first = next(lines)
            up.process.send_signal(signal.SIGINT)
            text = "\n".join([first, *lines])
        assert "tok3" in text
        assert text.rstrip().endswith("data: [DONE]")
        assert up.ends() == 0
        assert alive(processes) == []


def test_sigterm_ends_a_model_that_still_loads(tmp_path: Path) -> None:
    with slipway_up(tmp_path, document("words", args='["--load-seconds=60"]'), "--eager") as up:
        up.shows("words  loading")
        processes = with_descendants(up.runtimes())
        up.process.send_signal(signal.SIGTERM)
        assert up.ends() == 0
        assert alive(processes) == []


def test_a_killed_owner_leaves_no_orphan(tmp_path: Path) -> None:
    with slipway_up(tmp_path, document("words") + document("vectors", "onnx", "demo://embed"), "--eager") as up:
        up.shows("vectors  ready in ")
        processes = started(up)
        up.process.kill()
        up.process.wait()
        gone(processes)


def test_a_second_ctrl_c_cuts_what_still_runs(tmp_path: Path) -> None:
    with slipway_up(tmp_path, document("words"), "--eager") as up:
        processes = started(up)
        seen = ""
        # What is cut may end with an error in the stream, or with one of the transport.
        with (
            contextlib.suppress(httpx2.TransportError),
            httpx2.stream("POST", **slow_stream(up, tokens=1000)) as answer,  # type: ignore[arg-type]
        ):
            lines = answer.iter_lines()
            seen += next(lines)
            up.process.send_signal(signal.SIGINT)
            up.shows("stopping")
            up.process.send_signal(signal.SIGINT)
            seen += "".join(lines)
        assert "tok999" not in seen
        assert up.ends() == 130
        assert alive(processes) == []
