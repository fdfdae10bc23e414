"""What a router had counted when it was killed is counted by the next one on the folder, once."""

import dataclasses
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from slipway_router.adapters.ledger.folder import LedgerError, LedgerFolder, open_folder
from slipway_router.adapters.ledger.journal import Journal
from slipway_router.adapters.ledger.ledger import Ledger
from slipway_router.domain.metering.counts import Counts
from slipway_router.domain.metering.ledger import UsageQuery
from tests.ledgers import NOW, begin_stream, exchange, finish, told

ALL = UsageQuery(date(2026, 1, 1), date(2026, 12, 31), group_by=("key",))
SHARE = False


def opened(path: Path) -> tuple[LedgerFolder, Ledger]:
    folder = open_folder(path, share=SHARE)
    return folder, Ledger(folder.journal, folder.slots, lambda: NOW)


def as_killed(path: Path, to: Path) -> Path:
    """The folder as another process would find it if this one ended now."""
    return Path(shutil.copytree(path, to))


def account(path: Path) -> dict[str, Counts]:
    folder = open_folder(path, share=SHARE)
    try:
        return {values[0]: counts for values, counts in folder.account.read(ALL).rows}
    finally:
        folder.close()


def test_finished_requests_are_in_the_journal_at_once(tmp_path: Path) -> None:
    _, ledger = opened(tmp_path / "a")
    finish(ledger, exchange(), 10, 3)
    finish(ledger, exchange("b/k"), 1, 1)
    killed = as_killed(tmp_path / "a", tmp_path / "b")
    assert account(killed) == {"a/k": Counts(1, 0, 0, 10, 3), "b/k": Counts(1, 0, 0, 1, 1)}
    assert account(killed)["a/k"] == Counts(1, 0, 0, 10, 3), "the journal is counted once"


def test_running_streams_count_as_far_as_the_engine_had_told(tmp_path: Path) -> None:
    _, ledger = opened(tmp_path / "a")
    request, meter = begin_stream(ledger)
    for completion in range(1, 12):
        meter.feed(told(7, completion))
    killed = as_killed(tmp_path / "a", tmp_path / "running")
    finish(ledger, request, 7, 11)
    ended = as_killed(tmp_path / "a", tmp_path / "ended")
    assert account(killed) == {"a/k": Counts(1, 0, 1, 7, 11)}
    assert account(ended) == {"a/k": Counts(1, 0, 0, 7, 11)}


def test_a_stream_whose_line_is_written_and_whose_slot_is_open_counts_once(tmp_path: Path) -> None:
    folder, ledger = opened(tmp_path / "a")
    _, meter = begin_stream(ledger)
    meter.feed(told(7, 2))
    folder.journal.append(b"1 1 0 0 7 2 0\n")
    assert account(as_killed(tmp_path / "a", tmp_path / "b")) == {"a/k": Counts(1, 0, 0, 7, 2)}


def test_what_is_in_the_account_is_not_counted_again(tmp_path: Path) -> None:
    folder, ledger = opened(tmp_path / "a")
    finish(ledger, exchange(), 10, 3)
    folder.account.apply(*ledger.take(), share=SHARE)
    between = as_killed(tmp_path / "a", tmp_path / "b")
    finish(ledger, exchange(), 1, 1)
    assert account(between) == {"a/k": Counts(1, 0, 0, 10, 3)}
    assert account(as_killed(tmp_path / "a", tmp_path / "c")) == {"a/k": Counts(2, 0, 0, 11, 4)}


def test_a_recovery_that_was_interrupted_before_it_deleted_files_is_not_repeated(tmp_path: Path) -> None:
    _, ledger = opened(tmp_path / "a")
    finish(ledger, exchange(), 10, 3)
    _, meter = begin_stream(ledger)
    meter.feed(told(7, 2))
    killed = as_killed(tmp_path / "a", tmp_path / "b")
    left = {path.name: path.read_bytes() for path in killed.iterdir() if path.suffix in (".log", ".slots")}
    expected = {"a/k": Counts(2, 0, 1, 17, 5)}
    assert account(killed) == expected
    for name, content in left.items():
        (killed / name).write_bytes(content)
    assert account(killed) == expected


@pytest.mark.parametrize("torn", [b"1 0 0", b"1 0 0 0 5 5 0", b'= 9 ["2026', b"\0" * 40, b"x\n", b"77 0 0 0 1 1 0\n"])
def test_a_torn_last_line_is_left_out(tmp_path: Path, torn: bytes) -> None:
    folder, ledger = opened(tmp_path / "a")
    finish(ledger, exchange(), 10, 3)
    folder.journal.append(torn)
    assert account(as_killed(tmp_path / "a", tmp_path / "b")) == {"a/k": Counts(1, 0, 0, 10, 3)}


def small_journals(path: Path) -> tuple[LedgerFolder, Ledger]:
    """A folder whose journals have room for a few lines."""
    folder = open_folder(path, share=SHARE)
    folder.journal.close()
    folder = dataclasses.replace(folder, journal=Journal(path, folder.journal.number + 1, room=200))
    return folder, Ledger(folder.journal, folder.slots, lambda: NOW)


def test_full_journals_are_followed_by_new_ones_that_know_their_lines(tmp_path: Path) -> None:
    folder, ledger = small_journals(tmp_path / "a")
    finish(ledger, exchange(), 10, 3)
    _, meter = begin_stream(ledger, "stream/k")
    meter.feed(told(7, 2))
    first = folder.journal.number
    counted, position = ledger.take()
    assert position is not None
    assert position.journal == first + 1
    folder.account.apply(counted, position, share=SHARE)
    folder.delete_journals(position.journal)
    assert [path.name for path in folder.path.glob("*.log")] == [f"journal-{position.journal:012d}.log"]
    finish(ledger, exchange(), 1, 1)
    killed = as_killed(tmp_path / "a", tmp_path / "b")
    assert account(killed) == {"a/k": Counts(2, 0, 0, 11, 4), "stream/k": Counts(1, 0, 1, 7, 2)}


def test_a_disk_without_room_is_caught_up_with(tmp_path: Path) -> None:
    folder, ledger = small_journals(tmp_path / "a")
    in_the_way = tmp_path / "a" / f"journal-{folder.journal.number + 1:012d}.log"
    in_the_way.mkdir()
    for _ in range(10):
        finish(ledger, exchange(), 10, 3)
    assert folder.journal.behind
    assert ledger.take() == ({}, None)
    in_the_way.rmdir()
    counted, position = ledger.take()
    between = as_killed(tmp_path / "a", tmp_path / "between")
    folder.account.apply(counted, position, share=SHARE)
    finish(ledger, exchange(), 1, 1)
    assert account(between) == {"a/k": Counts(10, 0, 0, 100, 30)}
    assert account(as_killed(tmp_path / "a", tmp_path / "b")) == {"a/k": Counts(11, 0, 0, 101, 31)}


def test_what_has_no_room_in_the_next_journal_either_waits_for_the_one_after_it(tmp_path: Path) -> None:
    folder, ledger = small_journals(tmp_path / "a")
    for _ in range(40):
        finish(ledger, exchange(), 10, 3)
    while (taken := ledger.take())[1] is None:
        assert taken[0] == {}
    folder.account.apply(*taken, share=SHARE)
    assert account(as_killed(tmp_path / "a", tmp_path / "b")) == {"a/k": Counts(40, 0, 0, 400, 120)}


def test_days_are_those_of_utc(tmp_path: Path) -> None:
    folder = open_folder(tmp_path, share=SHARE)
    now = NOW
    ledger = Ledger(folder.journal, folder.slots, lambda: now)
    finish(ledger, exchange(), 1, 1)
    now += 86400
    finish(ledger, exchange(), 1, 1)
    assert sorted(key.day for key in ledger.take()[0]) == ["2026-11-21", "2026-11-22"]
    folder.close()


def test_more_streams_than_slots_are_counted_when_they_end(tmp_path: Path) -> None:
    folder, ledger = opened(tmp_path / "a")
    folder.slots.free[1:] = []
    first, second = begin_stream(ledger), begin_stream(ledger)
    assert (first[1].slot is None, second[1].slot is None) == (False, True)
    finish(ledger, second[0], 1, 1)
    finish(ledger, first[0], 2, 2)
    assert len(folder.slots.free) == 1
    assert account(as_killed(tmp_path / "a", tmp_path / "b")) == {"a/k": Counts(2, 0, 0, 3, 3)}


def test_a_folder_belongs_to_one_process(tmp_path: Path) -> None:
    folder = open_folder(tmp_path, share=SHARE)
    program = (
        "import sys, pathlib\n"
        "from slipway_router.adapters.ledger.folder import *\n"
        "try:\n    open_folder(pathlib.Path(sys.argv[1]), share=False)\n"
        "except LedgerError as error:\n    print(error)\n"
    )
    other = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert "kept by another process; give every router its own folder" in other.stdout
    folder.close()
    open_folder(tmp_path, share=SHARE).close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match=r"cannot be kept in .*file/sub: Not a directory"):
        open_folder(tmp_path / "file" / "sub", share=SHARE)
