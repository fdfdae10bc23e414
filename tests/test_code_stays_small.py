"""Files of at most 300 lines, functions of at most 40: a reader takes in one at a time."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("crds", "operator", "router", "runtime_image", "local", "tests", "benchmarks", "examples")
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40


def sources() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (ROOT / folder).rglob("*.py")


def function_lengths(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (
                f"{path.relative_to(ROOT)}:{node.lineno} {node.name}",
                (node.end_lineno or node.lineno) - node.lineno + 1,
            )


def test_files_have_at_most_300_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): n
        for path in sources()
        if (n := len(path.read_text().splitlines())) > MAX_FILE_LINES
    }
    assert not long


def test_functions_have_at_most_40_lines() -> None:
    long = {name: n for path in sources() for name, n in function_lengths(path) if n > MAX_FUNCTION_LINES}
    assert not long
