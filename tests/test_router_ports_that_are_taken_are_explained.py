"""A router that cannot listen ends and says why, without a traceback."""

import socket
from pathlib import Path

import pytest

from tests.failed_starts import why_it_ends

pytestmark = pytest.mark.local


@pytest.mark.parametrize("variable", ["SLIPWAY_DATA_PORT", "SLIPWAY_ADMIN_PORT"])
def test_the_port_is_named(tmp_path: Path, variable: str) -> None:
    with socket.create_server(("0.0.0.0", 0)) as other:
        port = other.getsockname()[1]
        said = why_it_ends(tmp_path, {variable: str(port)})
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("slipway-router: ")
    assert str(port) in said.splitlines()[-1]
    assert "address already in use" in said
