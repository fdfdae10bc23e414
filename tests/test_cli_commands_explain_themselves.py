"""The `slipway` command: help, exit codes, and errors that say what to write instead."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from slipway_local.main import COMMANDS, run
from tests.local_mode import api_key, document, run_slipway

pytestmark = pytest.mark.local


@pytest.mark.parametrize("arguments", [[], ["--help"], ["help"]])
def test_help_lists_every_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 0
    listed = re.findall(r"^  (\w+)  ", capsys.readouterr().out, re.MULTILINE)
    assert listed == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_of_its_own(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run([command, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: slipway {command}")


def test_an_unknown_command_is_told_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve"]) == 2
    assert "no command 'serve'; there are up, models" in capsys.readouterr().err


def test_version_is_that_of_the_distribution(tmp_path: Path) -> None:
    assert re.fullmatch(r"slipway \d+\.\d+\.\d+\n", run_slipway(tmp_path, "--version").stdout)


def test_validate_counts_what_is_right(tmp_path: Path) -> None:
    (tmp_path / "right.yaml").write_text(document("one") + document("two") + api_key("demo"))
    done = run_slipway(tmp_path, "validate", "right.yaml")
    assert (done.returncode, done.stdout) == (0, "right.yaml: ModelDeployment 2, APIKey 1\n")


def test_validate_names_file_document_and_field(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(document("one") + document("two", rest="replica: 2"))
    (tmp_path / "right.yaml").write_text(document("one"))
    done = run_slipway(tmp_path, "validate", "wrong.yaml", "right.yaml", "missing.yaml")
    assert done.returncode == 2
    assert "wrong.yaml, document 2, ModelDeployment two: spec.replica: unknown field" in done.stderr
    assert "missing.yaml: no such file" in done.stderr
    assert done.stdout == "right.yaml: ModelDeployment 1\n"


def test_crds_are_printed_and_written(tmp_path: Path) -> None:
    printed = run_slipway(tmp_path, "crds", "print").stdout
    assert printed.count("kind: CustomResourceDefinition") == 3
    assert run_slipway(tmp_path, "crds", "generate", "out").returncode == 0
    written = sorted((tmp_path / "out").iterdir())
    assert sorted(printed.split("---\n")) == sorted(path.read_text() for path in written)
    assert run_slipway(tmp_path, "crds", "generate", "out", "--check").returncode == 0
    written[0].write_text("")
    assert run_slipway(tmp_path, "crds", "generate", "out", "--check").returncode == 1


def test_keys_tells_how_to_get_one(tmp_path: Path) -> None:
    done = run_slipway(tmp_path, "keys", "show")
    assert (done.returncode, "none yet; `slipway up FILE` makes one" in done.stderr) == (2, True)
    assert run_slipway(tmp_path, "keys", "show", "demo").returncode == 1
    assert run_slipway(tmp_path, "keys", "show", "../demo").returncode == 2


def test_models_says_when_nothing_answers(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        done = run_slipway(tmp_path, "models", "--url", url, "--key", "k")
    assert (done.returncode, f"nothing answers at {url}" in done.stderr) == (1, True)


def test_up_names_a_port_that_is_in_use(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(document("words"))
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        done = run_slipway(tmp_path, "up", "models.yaml", "--port", str(port))
    assert done.returncode == 2
    assert f"port {port} on 127.0.0.1 is in use; choose another by --port" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("missing.yaml",), "missing.yaml: no such file"),
        (("empty",), "a folder without files that end in .yaml or .yml"),
        (("models.yaml", "--port", "eighty"), "'eighty' is not a port"),
        (("models.yaml", "--idle-timeout", "soon"), "'soon' is not a duration; write for example 500ms"),
        (("twins.yaml",), "both serve the name shared"),
    ],
)
def test_up_refuses_what_it_cannot_use(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "models.yaml").write_text(document("words"))
    twins = [document(name).replace('"demo://dummy"', '"demo://dummy", servedNames: [shared]') for name in ("a", "b")]
    (tmp_path / "twins.yaml").write_text("".join(twins))
    done = run_slipway(tmp_path, "up", *arguments)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr


def test_a_small_command_loads_little() -> None:
    program = "import sys; from slipway_local.main import run; run(['version']); print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "rich", "uvloop", "starlette", "httpx2"} & set(loaded)
