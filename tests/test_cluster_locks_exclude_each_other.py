from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.cluster.paths import locked

THREADS = 4
ROUNDS = 50


def count(folder: Path) -> None:
    """Add one to a number in a file, in a way that loses additions unless nobody else does so meanwhile."""
    file, lock = folder / "number", folder / "lock"
    for number in range(ROUNDS):
        with locked(lock):
            file.write_text(str(int(file.read_text()) + 1))
            if number % 3 == 0:
                lock.unlink()


def test_locks_hold_even_when_their_file_is_removed_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "number").write_text("0")
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in threads.map(count, [tmp_path] * THREADS):
            pass
    assert (tmp_path / "number").read_text() == str(THREADS * ROUNDS)
