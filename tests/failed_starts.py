"""What a router says that cannot start."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.runtimes import free_port

_KUBECONFIG = """
{apiVersion: v1, kind: Config, current-context: c, clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}],
 contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u, user: {}}]}
"""


def why_it_ends(tmp_path: Path, settings: Mapping[str, str]) -> str:
    """All that ``slipway-router`` says to stderr before it ends with status 1; ``settings`` are variables."""
    (tmp_path / "kubeconfig").write_text(_KUBECONFIG)
    places = {
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "SLIPWAY_DATA_PORT": str(free_port()),
        "SLIPWAY_ADMIN_PORT": str(free_port()),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "slipway_router.main"],
        env={**os.environ, **places, **settings},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1, ended.stderr
    return ended.stderr.strip()
