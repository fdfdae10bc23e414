"""What keeps ``slipway-operator`` from starting is one line on stderr, not a traceback."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.local

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: none
clusters: [{name: none, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: none, user: {token: none}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
"""


def start(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "SLIPWAY_HEALTH_HOST": "127.0.0.1", **settings}
    command = [sys.executable, "-m", "slipway_operator.main"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_a_wrong_setting(tmp_path: Path) -> None:
    ended = start(tmp_path, SLIPWAY_WORKERS="0")
    assert (ended.returncode, ended.stderr) == (
        1,
        "slipway-operator: SLIPWAY_WORKERS is '0'; write a number from 1 to 64\n",
    )


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = start(tmp_path, SLIPWAY_HEALTH_PORT=str(port))
    assert ended.returncode == 1
    assert ended.stderr.startswith("slipway-operator: ")
    assert str(port) in ended.stderr
    assert "Traceback" not in ended.stderr


def test_no_kubeconfig(tmp_path: Path) -> None:
    ended = start(tmp_path, KUBECONFIG=str(tmp_path / "missing"))
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("slipway-operator: no credentials for the API server (KUBECONFIG ")
    assert "Traceback" not in ended.stderr
