"""The environment is read once; a wrong value is named, with what to write instead."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from slipway_router.adapters.engines.provider_tls import provider_tls
from slipway_router.app.settings import Settings


def test_nothing_set_gives_the_defaults() -> None:
    assert Settings.load({"SLIPWAY_LOG_LEVEL": ""}) == Settings()


def test_every_setting_is_read() -> None:
    settings = Settings.load(
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
        host="127.0.0.1",
        data_port=1,
        admin_port=2,
        watch_namespaces=("a", "b"),
        drain_timeout=90,
        max_body_bytes=10,
        max_buffered_bytes=20,
        image_url_hosts=("a.example", "*.b.example"),
        provider_keys_dir="/keys",
        provider_ca_file="/ca.pem",
        access_log=False,
        log_level="warning",
    )


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("SLIPWAY_DATA_PORT", "http", "a number from 0 to 65535"),
        ("SLIPWAY_DATA_PORT", "70000", "to 65535"),
        ("SLIPWAY_DRAIN_TIMEOUT", "5 minutes", "15m"),
        ("SLIPWAY_ACCESS_LOG", "sometimes", "true or false"),
        ("SLIPWAY_LOG_LEVEL", "loud", "'debug', 'info'"),
        ("SLIPWAY_STORE_URLS", "x", "did you mean SLIPWAY_STORE_URL?"),
        ("SLIPWAY_LIMITS_FAIL_MODE", "opne", "'open' or 'closed'"),
        ("SLIPWAY_CORS_ORIGINS", "https://a.example/chat", "https://chat.example.com"),
        ("SLIPWAY_PROXY_TRUSTED", "10.0.0.1/8", "10.0.0.0/8"),
        ("SLIPWAY_OIDC_JWKS_URL", "id.example.com", "https://id.example.com"),
        ("SLIPWAY_STORE_TIMEOUT", "0", "greater than 0"),
        ("SLIPWAY_STORE_URL", "valkey://store:70000", "valkey://valkey:6379/0"),
        ("SLIPWAY_STORE_URL", "valkey://store?databse=1", "valkey://valkey:6379/0"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str, advice: str) -> None:
    with pytest.raises(ValueError, match=name) as error:
        Settings.load({name: value})
    assert advice in str(error.value)


@pytest.mark.parametrize(
    "url", ["valkey://me:hun/ter2@store", "valkey://:hun/ter2@store:6379", "valkey://:h[u]nter2@s"]
)
def test_nothing_is_told_of_a_password_that_is_not_written_as_in_addresses(url: str) -> None:
    with pytest.raises(ValueError, match="SLIPWAY_STORE_URL") as error:
        Settings.load({"SLIPWAY_STORE_URL": url})
    assert "%2F for /" in str(error.value)
    assert not any(part in str(error.value) for part in ("hun", "ter2", "'u'"))


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
