"""A router whose account cannot be kept where its settings say ends and says why."""

import fcntl
from pathlib import Path

import pytest

from tests.failed_starts import why_it_ends

pytestmark = pytest.mark.local


def error_of(folder: Path, tmp_path: Path) -> str:
    return why_it_ends(tmp_path, {"SLIPWAY_LEDGER_FOLDER": str(folder)}).splitlines()[-1]


def test_a_folder_of_another_process(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    folder.mkdir()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = error_of(folder, tmp_path)
    assert said == (
        f"slipway-router: the account of used tokens in {folder} is kept by another process; "
        "give every router its own folder"
    )


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = error_of(tmp_path / "file" / "ledger", tmp_path)
    assert said.startswith("slipway-router: the account of used tokens cannot be kept in")
    assert said.endswith("Not a directory")


def test_an_account_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "usage.sqlite3").write_text("this is no database, however long it is" * 100)
    assert error_of(tmp_path, tmp_path).endswith("file is not a database")
