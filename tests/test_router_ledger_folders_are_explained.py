"""A router whose account cannot be kept where its settings say ends and says why."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtimes import free_port

pytestmark = pytest.mark.local
KUBECONFIG = """
{apiVersion: v1, kind: Config, current-context: c, clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}],
 contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u, user: {}}]}
"""


def error_of(folder: Path, tmp_path: Path) -> str:
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    settings = {
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "SLIPWAY_LEDGER_FOLDER": str(folder),
        "SLIPWAY_DATA_PORT": str(free_port()),
        "SLIPWAY_ADMIN_PORT": str(free_port()),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "slipway_router.main"],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    return ended.stderr.strip().splitlines()[-1]


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
