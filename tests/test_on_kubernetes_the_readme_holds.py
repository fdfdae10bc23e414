"""The README's commands for Kubernetes, run as they stand against the test cluster."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.installation import Installation
from tests.readme import ROOT, blocks

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

CHART_REFERENCE = "charts/slipway"


@pytest.fixture
def environment(installation: Installation) -> dict[str, str]:
    return {**installation.environment, "PATH": f"{Path(sys.executable).parent}:{installation.environment['PATH']}"}


@pytest.fixture
def quickstart_removed(installation: Installation) -> Iterator[None]:
    yield
    installation.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", str(ROOT / "examples/quickstart.yaml"))


def bash(script: str, environment: dict[str, str], timeout: float = 300) -> str:
    done = subprocess.run(
        ["bash", "-ec", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.usefixtures("quickstart_removed")
def test_install_apply_wait_and_ask(environment: dict[str, str]) -> None:
    install, connect = blocks("On Kubernetes")
    # The test's images have names of their own, which the release already knows.
    shown = bash(install.text.replace(CHART_REFERENCE, f"{CHART_REFERENCE} --reuse-values"), environment)
    assert [line.split()[4] for line in shown.splitlines() if line.startswith("demo-")] == ["Ready", "Ready"]
    curl, python = blocks("On this machine")[1:]
    ask = curl.text.split("\n", 1)[1]  # without the line that reads local mode's key
    forward = subprocess.Popen(
        ["bash", "-ec", f"{connect.text}\necho $SLIPWAY_API_KEY\nwait"],
        cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert forward.stdout is not None
        # kubectl's two words on its ports may come first.
        lines = (line.strip() for line in forward.stdout)
        key = next(line for line in lines if line.startswith("sk-slipway-"))
        environment = {**environment, "SLIPWAY_API_KEY": key}
        chat = eventually("curl is answered", lambda: bash(ask, environment), lambda seen: "choices" in seen, within=20)
        printed = subprocess.run([sys.executable, "-c", python.text], env=environment, capture_output=True, text=True)
    finally:
        os.killpg(forward.pid, signal.SIGTERM)
        forward.communicate(timeout=10)
    assert "model" in chat.lower()
    assert printed.stdout.rstrip().endswith("384"), printed
