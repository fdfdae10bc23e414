from pathlib import Path

import pytest

from tests.cluster.images import reference
from tests.cluster.shell import run

FILES = (
    "Dockerfile",
    "crds/names.py",
    "operator/main.py",
    "requirements/operator.txt",
    "requirements/router.txt",
    "router/main.py",
    "runtime_image/main.py",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    run(["git", "init", "--quiet"], cwd=tmp_path)
    return tmp_path


@pytest.mark.parametrize("changed", ["Dockerfile", "crds/names.py", "operator/main.py", "requirements/operator.txt"])
def test_tag_changes_with_what_goes_into_the_image(root: Path, changed: str) -> None:
    before = reference("operator", root)
    (root / changed).write_text("changed")
    assert reference("operator", root) != before


@pytest.mark.parametrize("changed", ["router/main.py", "requirements/router.txt", "runtime_image/main.py", "docs.md"])
def test_tag_stays_when_something_else_changes(root: Path, changed: str) -> None:
    before = reference("operator", root)
    (root / changed).write_text("changed")
    assert reference("operator", root) == before


def test_ignored_files_do_not_count(root: Path) -> None:
    (root / ".gitignore").write_text("__pycache__/\n")
    before = reference("operator", root)
    (root / "operator" / "__pycache__").mkdir()
    (root / "operator" / "__pycache__" / "main.pyc").write_bytes(b"1")
    assert reference("operator", root) == before
