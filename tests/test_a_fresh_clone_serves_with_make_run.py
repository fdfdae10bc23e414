"""The README's way on one machine, from a copy of the checkout that has nothing installed."""

import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.readme import ROOT, blocks

pytestmark = [pytest.mark.local, pytest.mark.timeout(400)]

FIRST_START_SECONDS = 180
SECOND_START_SECONDS = 10
HEALTH = "http://127.0.0.1:8080/health"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")},
        "XDG_STATE_HOME": str(home / "state"),
    }


@contextmanager
def running(clone: Path, environment: dict[str, str]) -> Iterator[Path]:
    log = clone / "run.log"
    command = blocks("On this machine")[0].text
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", command], cwd=clone, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            yield log
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(30)


def answer(clone: Path, environment: dict[str, str]) -> tuple[str, str]:
    """What the README's shell and Python blocks print."""
    shell, python = blocks("On this machine")[1:]
    environment = {**environment, "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}"}
    key = subprocess.run(
        ["bash", "-ec", f"{shell.text}\necho\necho $SLIPWAY_API_KEY"],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert key.returncode == 0, key
    chat, secret = key.stdout.strip().rsplit("\n", 1)
    printed = subprocess.run(
        [sys.executable, "-c", python.text],
        env={**environment, "SLIPWAY_API_KEY": secret},
        capture_output=True,
        text=True,
    )
    assert printed.returncode == 0, printed
    return chat, printed.stdout


def wait_healthy(log: Path, within: float) -> None:
    def look() -> str:
        try:
            with urllib.request.urlopen(HEALTH, timeout=2) as reply:
                return str(reply.status)
        except OSError as error:
            return f"{error}; its log ends: {log.read_text()[-2000:]}"

    eventually("the router answers", look, lambda seen: seen == "200", within=within)


def test_the_first_start_sets_up_and_answers(clone: Path, environment: dict[str, str]) -> None:
    with running(clone, environment) as log:
        wait_healthy(log, FIRST_START_SECONDS)
        chat, printed = answer(clone, environment)
    assert "model" in chat.lower()
    assert "model" in printed.lower()
    assert printed.rstrip().endswith("384")


def test_the_second_start_answers_quickly(clone: Path, environment: dict[str, str]) -> None:
    with running(clone, environment) as log:
        wait_healthy(log, SECOND_START_SECONDS)
        assert "model" in answer(clone, environment)[0].lower()
