"""Keys and logs on disk."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from slipway_local.adapters.bounded_log import bounded_log, last_lines
from slipway_local.adapters.key_files import KeyFiles
from slipway_local.adapters.key_store import LocalKeyStore
from slipway_local.domain.backoff import delay_after
from slipway_local.domain.key_orders import UnusableKeyError
from slipway_local.domain.places import cache_dir, state_dir

HOME = Path("/home/someone")


def test_a_log_never_takes_more_than_twice_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with bounded_log(path, max_bytes=100) as log:
        for number in range(100):
            log.write(b"line %d\n" % number)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 200
    assert last_lines(path, 2) == ("line 98", "line 99")


def test_the_log_before_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    for text in (b"old\n", b"new\n"):
        with bounded_log(path) as log:
            log.write(text)
    assert (path.read_text(), (tmp_path / "a.log.1").read_text()) == ("new\n", "old\n")
    assert last_lines(tmp_path / "none.log", 3) == ()


def test_all_who_make_a_key_at_once_get_the_same(tmp_path: Path) -> None:
    files = KeyFiles(tmp_path / "keys")
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(files.get_or_make, ["demo"] * 32))
    assert len(keys) == 1
    assert files.names() == ["demo"]
    assert stat.S_IMODE((tmp_path / "keys" / "demo").stat().st_mode) == 0o600


def test_the_key_asked_for_last_is_the_latest(tmp_path: Path) -> None:
    files = KeyFiles(tmp_path)
    assert files.latest() is None
    for name in ("one", "two", "one"):
        files.get_or_make(name)
    assert files.latest() == "one"


@pytest.mark.parametrize("name", ["../up", "a/b", "", "Big", ".hidden"])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of an APIKey"):
        KeyFiles(tmp_path).get_or_make(name)


def test_every_replacement_of_a_key_is_seen(tmp_path: Path) -> None:
    files = KeyFiles(tmp_path)
    files.get_or_make("demo")
    stamps = [files.stamp()]
    for _ in range(3):
        files.replace("demo", overlap=0)
        stamps.append(files.stamp())
    assert len(set(stamps)) == 4
    files.get_or_make("demo")
    assert files.stamp() == stamps[-1]


def test_a_key_that_goes_while_it_is_looked_at_does_no_harm(tmp_path: Path) -> None:
    files = KeyFiles(tmp_path)
    files.get_or_make("demo")
    stamp = files.stamp()
    # A name without a file, as a listing has it whose file was removed a moment later.
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert files.stamp() == stamp
    assert files.latest() == "demo"


@pytest.mark.parametrize("text", ["spec: [", "spec: {}", "just words"])
def test_a_kept_apikey_that_was_damaged_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "apikeys").mkdir()
    (tmp_path / "apikeys" / "guest.yaml").write_text(text)
    with pytest.raises(UnusableKeyError, match=r"guest\.yaml holds no APIKey"):
        LocalKeyStore(tmp_path).list()


def test_a_file_that_holds_no_key_is_told(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("two words\n")
    with pytest.raises(ValueError, match="demo is no key"):
        KeyFiles(tmp_path).get("demo")


@pytest.mark.parametrize(
    ("environ", "state", "cache"),
    [
        ({}, "/home/someone/.local/state/slipway", "/home/someone/.cache/slipway"),
        ({"XDG_STATE_HOME": "/s", "XDG_CACHE_HOME": "/c"}, "/s/slipway", "/c/slipway"),
        (
            {"XDG_STATE_HOME": "relative", "XDG_CACHE_HOME": ""},
            "/home/someone/.local/state/slipway",
            "/home/someone/.cache/slipway",
        ),
        ({"SLIPWAY_STATE_DIR": "/mine", "XDG_STATE_HOME": "/s"}, "/mine", "/home/someone/.cache/slipway"),
    ],
)
def test_folders_follow_the_xdg_specification(environ: dict[str, str], state: str, cache: str) -> None:
    assert state_dir(environ, HOME) == Path(state)
    assert cache_dir(environ, HOME) == Path(cache)


def test_waits_after_failures_double_up_to_a_minute() -> None:
    assert [delay_after(count) for count in (1, 2, 3, 6, 7, 8, 1000)] == [1, 2, 4, 32, 60, 60, 60]
