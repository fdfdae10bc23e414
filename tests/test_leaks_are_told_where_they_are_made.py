"""A socket that a test file leaves open fails that file, and no other."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
# A reference cycle, as tasks and transports have: without one, the socket would be found at once.
LEAKS = """
import socket

def test_leaks():
    left = [socket.socket()]
    left.append(left)

def test_does_nothing():
    pass
"""
INNOCENT = """
def test_is_innocent():
    pass
"""


def test_the_file_that_leaks_fails(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(LEAKS)
    (tmp_path / "test_b.py").write_text(INNOCENT)
    plugins = ("-p", "tests.garbage", "-p", "no:asyncio", "-p", "no:cacheprovider")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-Werror", *plugins, "--rootdir", tmp_path, tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    told = re.findall(r"^(ERROR|FAILED) \S*?(test_[ab]\.py::\w+)", ran.stdout, re.MULTILINE)
    assert told == [("ERROR", "test_a.py::test_does_nothing")], ran.stdout
    assert "unclosed <socket" in ran.stdout
    assert "3 passed, 1 error" in ran.stdout
