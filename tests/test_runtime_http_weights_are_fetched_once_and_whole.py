"""http(s):// sources: resumed after breaks, checked, cached, fetched once by processes that share the cache."""

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway_crds.conditions import Reason
from slipway_runtime.adapters.fetch.http import fetch_http
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.progress import FetchCancelled, Progress
from slipway_runtime.domain.sources import HttpSource, parse_source
from tests.eventually import eventually
from tests.fakes.file_server import FileServer, file_server

pytestmark = pytest.mark.local
CONTENT = os.urandom(3_000_000)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server(FileServer(CONTENT)) as server:
        yield server


def source(server: FileServer, sha256: str | None = None) -> HttpSource:
    parsed = parse_source(server.url + (f"#sha256={sha256}" if sha256 else ""))
    assert isinstance(parsed, HttpSource)
    return parsed


def test_a_file_is_fetched_with_its_progress_and_then_taken_from_the_cache(server: FileServer, tmp_path: Path) -> None:
    progress = Progress()
    path = fetch_http(source(server), tmp_path, progress)
    assert path.name == "file.gguf"
    assert path.read_bytes() == CONTENT
    assert (progress.fetched, progress.total) == (len(CONTENT), len(CONTENT))
    again = Progress()
    assert fetch_http(source(server), tmp_path, again) == path
    assert again.fetched == 0
    assert len(server.asked) == 1


def test_a_broken_connection_is_resumed_where_it_broke(server: FileServer, tmp_path: Path) -> None:
    server.cut_after = [1_000_000]
    progress = Progress()
    path = fetch_http(source(server), tmp_path, progress)
    assert path.read_bytes() == CONTENT
    assert server.asked[1]["Range"] == "bytes=1000000-"
    assert progress.fetched == len(CONTENT)


def test_a_range_that_ends_early_is_not_taken_for_the_whole_rest(server: FileServer, tmp_path: Path) -> None:
    server.cut_after, server.range_bytes = [1_000_000], 900_000
    assert fetch_http(source(server), tmp_path, Progress()).read_bytes() == CONTENT


def test_a_range_that_begins_elsewhere_is_not_appended(server: FileServer, tmp_path: Path) -> None:
    server.cut_after, server.odd_range = [1_000_000], True
    assert fetch_http(source(server), tmp_path, Progress()).read_bytes() == CONTENT


def test_secrets_of_the_address_are_not_written_into_the_shared_cache(server: FileServer, tmp_path: Path) -> None:
    server.url = server.url.replace("://", "://user:hidden-password@")
    server.cut_after = [1_000_000]
    seen: list[bytes] = []

    class Looking(Progress):
        def add(self, count: int) -> None:
            super().add(count)
            seen.extend(path.read_bytes() for path in tmp_path.rglob("*.partial.json"))

    assert fetch_http(source(server), tmp_path, Looking()).read_bytes() == CONTENT
    assert seen
    assert not any(b"hidden-password" in content for content in seen)


def test_a_file_that_changed_meanwhile_is_fetched_anew(server: FileServer, tmp_path: Path) -> None:
    server.seconds_per_piece = 0.02
    progress = Progress()
    outcome: list[str] = []

    def fetch() -> None:
        try:
            fetch_http(source(server), tmp_path, progress)
        except FetchCancelled:
            outcome.append("cancelled")

    first = threading.Thread(target=fetch)
    first.start()
    eventually("a beginning", lambda: progress.fetched, lambda count: count > 0, within=5, every=0.005)
    progress.cancelled = True
    first.join(5)
    assert outcome == ["cancelled"]
    server.content, server.etag, server.seconds_per_piece = os.urandom(2_000_000), '"v2"', 0
    path = fetch_http(source(server), tmp_path, Progress())
    assert "Range" in server.asked[1]
    assert path.read_bytes() == server.content


def test_without_ranges_or_validator_it_starts_over(server: FileServer, tmp_path: Path) -> None:
    server.cut_after, server.etag, server.ranges = [1_000_000], None, False
    assert fetch_http(source(server), tmp_path, Progress()).read_bytes() == CONTENT
    assert "Range" not in server.asked[1]


def test_passing_errors_of_the_server_are_waited_out(server: FileServer, tmp_path: Path) -> None:
    server.failures = [503]
    assert fetch_http(source(server), tmp_path, Progress()).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (404, Reason.WEIGHTS_NOT_FOUND),
        (410, Reason.WEIGHTS_NOT_FOUND),
        (401, Reason.WEIGHTS_FORBIDDEN),
        (403, Reason.WEIGHTS_FORBIDDEN),
        (400, Reason.FETCH_FAILED),
    ],
)
def test_final_errors_have_their_reason_at_once(
    server: FileServer, tmp_path: Path, status: int, reason: Reason
) -> None:
    server.failures = [status]
    with pytest.raises(RuntimeFailure, match=f"HTTP {status}") as raised:
        fetch_http(source(server), tmp_path, Progress())
    assert raised.value.reason is reason
    assert len(server.asked) == 1


def test_a_checksum_that_agrees_is_accepted(server: FileServer, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    assert fetch_http(source(server, sha256), tmp_path, Progress()).is_file()


def test_a_checksum_that_differs_is_invalid_weights_and_leaves_no_file(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailure, match="says 0000") as raised:
        fetch_http(source(server, "0" * 64), tmp_path, Progress())
    assert raised.value.reason is Reason.WEIGHTS_INVALID
    assert [path for path in tmp_path.rglob("file.gguf*") if path.suffix != ".lock"] == []


def test_callers_that_share_a_cache_fetch_once(server: FileServer, tmp_path: Path) -> None:
    server.seconds_per_piece = 0.02
    paths: list[Path] = []
    callers = [
        threading.Thread(target=lambda: paths.append(fetch_http(source(server), tmp_path, Progress())))
        for _ in range(3)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(20)
    assert [path.read_bytes() == CONTENT for path in paths] == [True] * 3
    assert len(server.asked) == 1


def test_a_cache_that_cannot_be_written_is_named(server: FileServer, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(RuntimeFailure, match=f"cannot write weights below {file}") as raised:
        fetch_http(source(server), file, Progress())
    assert raised.value.reason is Reason.FETCH_FAILED
