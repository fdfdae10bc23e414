"""The router's unit tests hold for the modules that its image has compiled, too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compiled_router import compiled_router

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    # Not measured: coverage knows nothing of compiled code, and would take the copies of the rest for other files.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return {**inherited, "PYTHONPATH": str(compiled_router())}


def test_the_hot_path_is_compiled(environment: dict[str, str]) -> None:
    program = "from slipway_router.adapters.engines import relay; from slipway_router.domain import exchange\n"
    program += "print(relay.__file__, exchange.__file__)"
    shown = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    files = [Path(name) for name in shown.stdout.split()]
    assert [file.suffix for file in files] == [".so", ".so"]


def test_the_unit_tests_pass(environment: dict[str, str]) -> None:
    tests = sorted(str(file) for file in HERE.glob("test_router_*.py"))
    arguments = ["--tiers", "unit", "-q", "-p", "no:cacheprovider", *tests]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments], cwd=HERE.parent, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2000:]
    assert " passed" in run.stdout
