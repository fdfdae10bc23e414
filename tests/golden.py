"""Golden files: what was agreed on, beside what comes out now; ``--update-golden`` rewrites them for a review."""

from pathlib import Path

import pytest
import yaml

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files from what comes out now")


class Golden:
    """Compares objects with YAML files below ``tests/golden``."""

    def __init__(self, *, update: bool) -> None:
        self._update = update

    def check(self, name: str, documents: list[dict[str, object]]) -> None:
        path = GOLDEN / name
        text = yaml.safe_dump_all(documents, sort_keys=True, width=120)
        if self._update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        agreed = list(yaml.safe_load_all(path.read_text()))
        assert yaml.safe_dump_all(agreed, sort_keys=True, width=120) == text, f"{path.name}; see --update-golden"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(update=request.config.getoption("--update-golden"))
