"""The environment is read once; a wrong value is named, with what to write instead."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from slipway_router.adapters.provider_tls import provider_tls
from slipway_router.app.settings import Settings


def test_nothing_set_gives_the_defaults() -> None:
    assert Settings.from_env({"SLIPWAY_LOG_LEVEL": ""}) == Settings()


def test_every_setting_is_read() -> None:
    settings = Settings.from_env(
        {
            "SLIPWAY_HOST": "127.0.0.1",
            "SLIPWAY_DATA_PORT": "1",
            "SLIPWAY_ADMIN_PORT": "2",
            "SLIPWAY_WATCH_NAMESPACES": "a, b,",
            "SLIPWAY_DRAIN_TIMEOUT": "1m30s",
            "SLIPWAY_MAX_BODY_BYTES": "10",
            "SLIPWAY_MAX_BUFFERED_BYTES": "20",
            "SLIPWAY_IMAGE_URL_HOSTS": "a.example, *.b.example",
            "SLIPWAY_PROVIDER_KEYS_DIR": "/keys",
            "SLIPWAY_PROVIDER_CA_FILE": "/ca.pem",
            "SLIPWAY_ACCESS_LOG": "off",
            "SLIPWAY_LOG_LEVEL": "Warning",
        }
    )
    assert settings == Settings(
        "127.0.0.1", 1, 2, ("a", "b"), 90, 10, 20, ("a.example", "*.b.example"), "/keys", "/ca.pem", False, "warning"
    )


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("SLIPWAY_DATA_PORT", "http", "a whole number"),
        ("SLIPWAY_DATA_PORT", "70000", "to 65535"),
        ("SLIPWAY_DRAIN_TIMEOUT", "5 minutes", "15m"),
        ("SLIPWAY_ACCESS_LOG", "yes", "on, off"),
        ("SLIPWAY_LOG_LEVEL", "loud", "debug, info"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str, advice: str) -> None:
    with pytest.raises(ValueError, match=name) as error:
        Settings.from_env({name: value})
    assert advice in str(error.value)


@pytest.mark.local
def test_the_program_ends_with_the_advice() -> None:
    environment = {**os.environ, "SLIPWAY_DRAIN_TIMEOUT": "soon"}
    command = [sys.executable, "-m", "slipway_router.main"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    assert ended.stderr.startswith("slipway-router: SLIPWAY_DRAIN_TIMEOUT: 'soon' is not a duration")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_certificates_must_be_one(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ValueError, match="SLIPWAY_PROVIDER_CA_FILE") as error:
        provider_tls(str(file))
    assert "certificates in PEM" in str(error.value)
