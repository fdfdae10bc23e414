"""A TOML file and variables fill every section; the variable wins, and whatever is unknown or wrong is named."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from slipway_router.app.setting_names import settings_of, variable_of
from slipway_router.app.settings import Settings, SettingsError, warnings_of

FILE = """\
data_port = 8081
drain_timeout = "1m30s"

[store]
url = "valkey://someone:hunter2@valkey/0?password=hunter2"
timeout = 2

[anonymous]
enabled = true
models = ["demo-*"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "router.toml"
    path.write_text(FILE)
    return path


def refusal(path: Path, content: str, **environ: str) -> str:
    path.write_text(content)
    with pytest.raises(SettingsError) as error:
        Settings.load(environ, path)
    return str(error.value)


def test_the_file_is_read(file: Path) -> None:
    settings = Settings.load({}, file)
    assert (settings.data_port, settings.drain_timeout) == (8081, 90.0)
    assert (settings.store.timeout, settings.anonymous.models) == (2.0, ("demo-*",))


def test_a_variable_wins_over_the_file(file: Path) -> None:
    environ = {"SLIPWAY_DATA_PORT": "1", "SLIPWAY_ANONYMOUS_MODELS": "a, b", "SLIPWAY_STORE_TIMEOUT": "500ms"}
    settings = Settings.load(environ, file)
    assert (settings.data_port, settings.anonymous.models, settings.store.timeout) == (1, ("a", "b"), 0.5)
    assert settings.anonymous.enabled


def test_every_section_reaches_the_router(file: Path) -> None:
    settings = Settings.load({"SLIPWAY_LIMITS_FAIL_MODE": "open", "SLIPWAY_MAX_BODY_BYTES": "7"}, file)
    options = settings.router_options()
    assert options.max_body_bytes == 7
    assert options.features.limits.fail_mode == "open"
    assert options.features.anonymous == settings.anonymous


def test_opentelemetry_has_names_of_its_own() -> None:
    others = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SERVICE_NAME": "edge"}
    telemetry = Settings.load(others).telemetry
    assert (telemetry.otlp_endpoint, telemetry.service_name) == ("http://collector:4318", "edge")
    assert Settings.load(others | {"SLIPWAY_TELEMETRY_SERVICE_NAME": "ours"}).telemetry.service_name == "ours"


def test_no_two_settings_share_a_variable() -> None:
    variables = [variable_of(path) for path in settings_of(Settings)]
    assert len(set(variables)) == len(variables)


def test_variables_that_kubernetes_makes_for_services_are_none_of_ours() -> None:
    links = {
        "SLIPWAY_ROUTER_SERVICE_HOST": "10.96.0.7",
        "SLIPWAY_LIMITS_SERVICE_PORT_HTTP": "80",
        "SLIPWAY_ADMIN_PORT": "tcp://10.96.0.7:80",
        "SLIPWAY_STORE_PORT": "tcp://10.96.0.7:6379",
        "SLIPWAY_STORE_PORT_6379_TCP_ADDR": "10.96.0.7",
    }
    assert Settings.load(links) == Settings()
    assert warnings_of(links) == []


def test_a_variable_that_is_almost_one_is_warned_of() -> None:
    assert warnings_of({"SLIPWAY_DATAPORT": "1", "SLIPWAY_API_KEY": "x", "SLIPWAY_CONFIG": "x"}) == [
        "SLIPWAY_DATAPORT is no setting of the router; did you mean SLIPWAY_DATA_PORT?"
    ]


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        ("[store]\nurls = 1", "router.toml: [store] urls is no setting; did you mean url?"),
        ("stor = 1", "router.toml: stor is no setting; did you mean store?"),
        ("store = 1", "write [store] on a line of its own"),
        ("[limits]\nfail_mode = 'x'", "router.toml: [limits] fail_mode is 'x'; write 'open' or 'closed'"),
        ("data_port = 'x'", "router.toml: data_port is 'x'; write a number from 0 to 65535"),
        ("[cors]\norigins = 'https://a'", "write a list"),
        ("[cors]\norigins = ['*']\ncredentials = true", "[cors]: credentials cannot be sent from every origin"),
        ("[tls]\ncert_file = 'a'", "[tls]: cert_file and key_file go together"),
        ("[oidc]\nissuer = 'https://id.example'", "[oidc]: issuer is set and audience is not"),
        ("[server", "is not TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, content: str, advice: str) -> None:
    assert advice in refusal(tmp_path / "router.toml", content)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    told = refusal(tmp_path / "router.toml", "data_port = -1\nhost = 1", SLIPWAY_ACCESS_LOG="maybe")
    assert [line.rpartition(" is ")[0].rpartition(" ")[2] for line in told.splitlines()] == [
        "host",
        "data_port",
        "SLIPWAY_ACCESS_LOG",
    ]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        Settings.load({}, tmp_path / "router.toml")


def test_passwords_are_not_repeated(tmp_path: Path, file: Path) -> None:
    printed = "\n".join(Settings.load({}, file).lines())
    told = refusal(tmp_path / "wrong.toml", "[telemetry]\notlp_endpoint = 'valkey://me:hunter2@collector'")
    assert "hunter2" not in printed + told
    assert "***@valkey/0" in printed


def test_what_is_printed_can_be_read_again(tmp_path: Path, file: Path) -> None:
    settings = Settings.load({"SLIPWAY_STORE_URL": "valkey://valkey", "SLIPWAY_OIDC_TOKENS_PER_DAY": "5"}, file)
    again = tmp_path / "again.toml"
    again.write_text("\n".join(settings.lines()))
    assert Settings.load({}, again) == settings


def program(*arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "slipway_router.main", *arguments]
    return subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, timeout=30)


@pytest.mark.local
def test_the_program_checks_and_prints_its_settings(file: Path) -> None:
    checked = program("--check", "--config", str(file), SLIPWAY_HOSTS="x")
    assert (checked.returncode, checked.stdout) == (0, "")
    assert checked.stderr.endswith("did you mean SLIPWAY_HOST?\n")
    printed = program("--print-config", SLIPWAY_CONFIG=str(file))
    assert tomllib.loads(printed.stdout)["anonymous"]["models"] == ["demo-*"]
    file.write_text("data_port = 'x'\nhost = 1")
    refused = program("--check", "--config", str(file))
    assert refused.returncode == 1
    assert all(line.startswith("slipway-router: ") for line in refused.stderr.splitlines())
