"""The tiers that need nodes and heavy engines run beside the others, and either's failure fails the whole."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "run.sh"
# In place of the interpreter: pytest's runs wait for one another, so that they must be under way at the same time.
PYTHON = """#!/usr/bin/env bash
echo "$*" >>calls
if [[ $* != *pytest* ]]; then exit 0; fi
echo "begins ${*: -1}"
for _ in {1..1000}; do
    if (($(grep -c pytest calls) >= RUNS)); then break; fi
    sleep 0.02
done
echo "ends ${*: -1}"
if [[ $* == *--tiers=$BROKEN* ]]; then exit 3; fi
"""


def run(folder: Path, tiers: str, *arguments: str, runs: int = 2, broken: str = "none") -> tuple[int, list[str]]:
    """The exit status and what pytest's runs said."""
    for name, text in {"tests/run.sh": RUN.read_text(), ".venv/bin/python": PYTHON}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
    bash = shutil.which("bash")
    assert bash is not None
    environment = {**os.environ, "TIERS": tiers, "RUNS": str(runs), "BROKEN": broken}
    ran = subprocess.run(
        [bash, "tests/run.sh", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )
    return ran.returncode, [*ran.stdout.splitlines(), *ran.stderr.splitlines()]


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def said(*tiers: str) -> list[str]:
    return [f"{what} --tiers={each}" for each in tiers for what in ("begins", "ends")]


def test_two_runs_go_on_at_once_and_are_told_one_after_the_other(tmp_path: Path) -> None:
    told = run(tmp_path, "unit,local,apiserver,cluster,engines")
    assert told == (0, said("unit,local,apiserver", "cluster,engines"))
    assert calls(tmp_path)[-2:] == ["-m coverage combine --quiet", "-m coverage report"]


@pytest.mark.parametrize("broken", ["unit", "engines"])
def test_the_failure_of_either_fails_the_whole(tmp_path: Path, broken: str) -> None:
    assert run(tmp_path, "unit,engines", broken=broken) == (3, said("unit", "engines"))
    assert "coverage report" not in (tmp_path / "calls").read_text()


@pytest.mark.parametrize("tiers", ["local", "cluster,engines", "unti"])
def test_one_run_when_there_is_nothing_beside_it(tmp_path: Path, tiers: str) -> None:
    assert run(tmp_path, tiers, runs=1) == (0, said(tiers))


def test_named_tests_are_one_run(tmp_path: Path) -> None:
    assert run(tmp_path, "unit,cluster", "tests/test_x.py", runs=1) == (0, said("unit,cluster"))
    assert (
        "pytest --durations 25 --durations-min 5 tests/test_x.py --tiers=unit,cluster"
        in (tmp_path / "calls").read_text()
    )
