"""An engine that lives in an environment of its own is run by that environment's Python."""

import subprocess
import sys
from pathlib import Path

import pytest

from slipway_local.adapters.engine_pythons import EnginePythonError, look_into
from tests.local_mode import document, run_slipway, slipway_up

NAMED = ("demo-chat", "llamacpp", "demo://chat")


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with nothing in it."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


def test_slipways_own_packages_are_taken_from_a_checkout(bare_python: Path) -> None:
    found = look_into(str(bare_python), ["json", "xllamacpp"])
    assert found.path == bare_python
    assert found.modules == {"json"}
    assert {Path(folder).name for folder in found.import_path} == {"crds", "runtime_image", "local"}


def test_an_environment_with_slipway_in_it_needs_no_more() -> None:
    found = look_into(sys.executable, ["xllamacpp", "no_such_module"])
    assert found.modules == {"xllamacpp"}
    assert found.import_path == ()


@pytest.mark.parametrize("program", ["/no/such/python", "/bin/false", "/bin/echo", "/"])
def test_what_is_no_interpreter_is_refused(program: str) -> None:
    with pytest.raises(EnginePythonError, match=f"{program} is not a Python interpreter that works"):
        look_into(program, ["json"])


@pytest.mark.local
def test_the_engine_runs_by_the_python_that_was_named(tmp_path: Path, bare_python: Path) -> None:
    with slipway_up(tmp_path, document(*NAMED), "--eager", "--engine-python", f"llamacpp={sys.executable}") as up:
        up.shows("demo-chat  ready in ")
        answer = up.client().completions.create(model="demo-chat", prompt="hello", max_tokens=3)
        assert answer.choices[0].text
    with slipway_up(tmp_path, document(*NAMED), SLIPWAY_ENGINE_PYTHON=f"llamacpp={bare_python}") as up:
        assert "engine llamacpp is not installed" in up.text


@pytest.mark.local
@pytest.mark.parametrize(
    ("arguments", "extra", "words"),
    [
        (("--engine-python", "vllm"), {}, "argument --engine-python: 'vllm' is not ENGINE=PATH"),
        ((), {"SLIPWAY_ENGINE_PYTHON": "vllm=/x,tei=/y"}, "$SLIPWAY_ENGINE_PYTHON: 'tei=/y' is not ENGINE=PATH"),
        (("--engine-python", "vllm=/no/such/python"), {}, "/no/such/python is not a Python interpreter that works"),
    ],
)
def test_a_wrong_name_ends_the_command(
    tmp_path: Path, arguments: tuple[str, ...], extra: dict[str, str], words: str
) -> None:
    (tmp_path / "models.yaml").write_text(document("a"))
    ended = run_slipway(tmp_path, "up", "models.yaml", "--port", "0", *arguments, **extra)
    assert ended.returncode == 2
    assert words in ended.stderr
