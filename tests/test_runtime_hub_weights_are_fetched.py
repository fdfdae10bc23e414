"""hf:// sources: what an engine needs comes from a hub on loopback, once; what is refused is named."""

from functools import partial
from pathlib import Path

import pytest

from slipway_crds.conditions import Reason
from slipway_crds.engines import EngineType
from slipway_runtime.adapters.fetch.hub import HubAccess, fetch_hub
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.hub_files import select_files
from slipway_runtime.domain.progress import Progress
from slipway_runtime.domain.sources import HubSource, parse_source
from tests.fakes.hub_server import HubServer, hub_server
from tests.runtimes import runtime

pytestmark = pytest.mark.local
FILES = {"README.md": b"# model", "q4.gguf": b"four" * 1000, "sub/q8.gguf": b"eight" * 1000, "config.json": b"{}"}


def fetch(hub: HubServer, uri: str, cache: Path, progress: Progress | None = None, token: str | None = None) -> Path:
    source = parse_source(uri)
    assert isinstance(source, HubSource)
    select = partial(select_files, EngineType.LLAMACPP, pattern=source.pattern)
    return fetch_hub(source, select, cache, progress or Progress(), HubAccess(hub.url, token))


def test_the_named_file_is_fetched_with_its_progress_and_not_again(tmp_path: Path) -> None:
    with hub_server(HubServer(FILES, token="hf_secret")) as hub:
        progress = Progress()
        path = fetch(hub, "hf://org/model@v1/q4.gguf", tmp_path, progress, token="hf_secret")
        assert path.read_bytes() == FILES["q4.gguf"]
        assert (progress.fetched, progress.total) == (4000, 4000)
        again = Progress()
        assert fetch(hub, "hf://org/model@v1/q4.gguf", tmp_path, again, token="hf_secret") == path
        assert again.fetched == 0
    assert hub.content_requests == ["q4.gguf"]


def test_what_was_fetched_before_is_used_when_the_hub_is_away(tmp_path: Path) -> None:
    with hub_server(HubServer(FILES)) as hub:
        path = fetch(hub, "hf://org/model/q4.gguf", tmp_path)
        hub.down = True
        assert fetch(hub, "hf://org/model/q4.gguf", tmp_path) == path


@pytest.mark.parametrize("suffix", [".path", ".new"], ids=["unwritable", "another runtime's"])
def test_a_note_that_cannot_be_written_stops_nothing(tmp_path: Path, suffix: str) -> None:
    with hub_server(HubServer(FILES)) as hub:
        path = fetch(hub, "hf://org/model/q4.gguf", tmp_path)
        (note,) = (tmp_path / "hub").glob("source-*")
        note.unlink()
        note.with_suffix(suffix).mkdir()
        assert fetch(hub, "hf://org/model/q4.gguf", tmp_path) == path


def test_a_pattern_chooses_the_file(tmp_path: Path) -> None:
    with hub_server(HubServer(FILES)) as hub:
        assert fetch(hub, "hf://org/model/sub/*", tmp_path).read_bytes() == FILES["sub/q8.gguf"]
    assert hub.content_requests == ["sub/q8.gguf"]


@pytest.mark.parametrize(
    ("uri", "reason", "words"),
    [
        ("hf://org/other", Reason.WEIGHTS_NOT_FOUND, "hf://org/other@main does not exist"),
        ("hf://org/model@v9", Reason.WEIGHTS_NOT_FOUND, "hf://org/model@v9 does not exist"),
        ("hf://org/model/q5.gguf", Reason.WEIGHTS_NOT_FOUND, "no file of the repository is 'q5.gguf'"),
        ("hf://org/model", Reason.INVALID_CONFIGURATION, "several .gguf files"),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, uri: str, reason: Reason, words: str) -> None:
    with hub_server(HubServer(FILES)) as hub, pytest.raises(RuntimeFailure) as raised:
        fetch(hub, uri, tmp_path)
    assert raised.value.reason is reason
    assert words in raised.value.message


@pytest.mark.parametrize(
    ("hub", "words"), [(HubServer(FILES, token="right"), "HF_TOKEN"), (HubServer(FILES, gated=True), "gated")]
)
def test_what_may_not_be_read_is_forbidden(tmp_path: Path, hub: HubServer, words: str) -> None:
    with hub_server(hub), pytest.raises(RuntimeFailure) as raised:
        fetch(hub, "hf://org/model/q4.gguf", tmp_path, token="wrong-token")
    assert raised.value.reason is Reason.WEIGHTS_FORBIDDEN
    assert words in raised.value.message
    assert "wrong-token" not in raised.value.message


def test_a_runtime_takes_hub_and_token_from_its_environment(tmp_path: Path) -> None:
    with hub_server(HubServer(FILES, token="hf_secret")) as hub:
        settings = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_secret"}
        with runtime(tmp_path, extra=settings, model_source="hf://org/model/q4.gguf") as process:
            state = process.wait_for_phase("ready")
            assert (state["bytesFetched"], state["bytesTotal"]) == (4000, 4000)
            assert "hf_secret" not in process.log
