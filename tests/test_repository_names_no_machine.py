"""Nothing in the repository depends on, or tells of, the machine or the package index it was made with."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
REGISTRY = re.compile(r"--(extra-)?index-url|files\.pythonhosted|\"resolved\":")


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name]


def test_lock_files_have_no_registry_addresses() -> None:
    locks = [*(ROOT / "requirements").glob("*.txt"), *ROOT.rglob("package-lock.json")]
    assert locks
    assert [path.name for path in locks if REGISTRY.search(path.read_text())] == []


def test_no_file_names_the_folder_of_this_checkout() -> None:
    here = str(ROOT).encode()
    assert [
        path for path in tracked_files() if path.is_file() and len(here) > 4 and here + b"/" in path.read_bytes()
    ] == []
