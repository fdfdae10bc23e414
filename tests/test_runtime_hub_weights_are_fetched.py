"""hf:// sources: a runtime fetches what its engine needs from a hub on loopback, and names what it refuses."""

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.hub_server import HubServer, hub_server
from tests.runtimes import RuntimeProcess, runtime

pytestmark = pytest.mark.local
FILES = {"README.md": b"# model", "q4.gguf": b"four" * 1000, "q8.gguf": b"eight" * 1000, "config.json": b"{}"}


def settings(hub: HubServer, **extra: str) -> dict[str, str]:
    return {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", **extra}


def fetched(process: RuntimeProcess) -> list[bytes]:
    snapshots = Path(process.env.cache_dir) / "hub" / "models--org--model" / "snapshots"
    return [path.read_bytes() for path in snapshots.rglob("*.gguf")]


def test_the_named_file_is_fetched_once_and_found_again_when_the_hub_is_away(tmp_path: Path) -> None:
    with hub_server(HubServer(FILES, token="hf_secret")) as hub:
        fields: dict[str, Any] = {"model_source": "hf://org/model@v1/q4.gguf"}
        with runtime(tmp_path, extra=settings(hub, HF_TOKEN="hf_secret"), **fields) as process:
            state = process.wait_for_phase("ready")
            assert (state["bytesFetched"], state["bytesTotal"]) == (4000, 4000)
            assert fetched(process) == [FILES["q4.gguf"]]
        with runtime(tmp_path, extra=settings(hub, HF_TOKEN="hf_secret"), **fields) as process:
            assert process.wait_for_phase("ready")["bytesFetched"] == 0
        assert hub.content_requests == ["q4.gguf"]
        assert "hf_secret" not in process.log


def test_the_engine_says_which_files_it_needs(tmp_path: Path) -> None:
    with hub_server(HubServer(FILES)) as hub:
        source = "hf://org/model/q8*"
        with runtime(tmp_path, extra=settings(hub), engine="llamacpp", model_source=source) as process:
            # The file is no real model: being asked to load it shows that it was the one chosen.
            assert process.wait_for_exit() == 65, process.log
            assert fetched(process) == [FILES["q8.gguf"]]
            assert "q8.gguf" in process.termination_message()["message"]


@pytest.mark.parametrize(
    ("source", "reason", "words"),
    [
        ("hf://org/other", "WeightsNotFound", "hf://org/other@main does not exist"),
        ("hf://org/model@v9", "WeightsNotFound", "hf://org/model@v9 does not exist"),
        ("hf://org/model/q5.gguf", "WeightsNotFound", "no file of the repository is 'q5.gguf'"),
        ("hf://org/model", "InvalidConfiguration", "several .gguf files"),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, source: str, reason: str, words: str) -> None:
    with (
        hub_server(HubServer(FILES)) as hub,
        runtime(tmp_path, extra=settings(hub), engine="llamacpp", model_source=source) as process,
    ):
        process.wait_for_exit()
        left = process.termination_message()
    assert left["reason"] == reason
    assert words in left["message"]


@pytest.mark.parametrize(
    ("hub", "words"), [(HubServer(FILES, token="x"), "HF_TOKEN"), (HubServer(FILES, gated=True), "gated")]
)
def test_what_may_not_be_read_is_forbidden(tmp_path: Path, hub: HubServer, words: str) -> None:
    with (
        hub_server(hub),
        runtime(tmp_path, extra=settings(hub, HF_TOKEN="wrong"), model_source="hf://org/model") as process,
    ):
        assert process.wait_for_exit() == 77, process.log
        assert words in process.termination_message()["message"]
        assert "wrong" not in process.log
