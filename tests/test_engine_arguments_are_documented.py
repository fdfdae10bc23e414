from pathlib import Path

import pytest

from slipway_crds.engines import EngineType
from slipway_runtime.domain.arguments import flag_name
from slipway_runtime.reference import OPTIONS, main, rendered

PAGE = Path(__file__).parent.parent / "docs/reference/engine-arguments.md"


def test_the_page_is_what_the_options_say() -> None:
    assert main([str(PAGE), "--check"]) == 0


@pytest.mark.parametrize("engine", OPTIONS)
def test_every_argument_has_its_meaning(engine: EngineType) -> None:
    section = rendered().split(f"## {engine}\n")[1].split("\n## ")[0]
    for name in OPTIONS[engine].model_fields:
        row = next(line for line in section.splitlines() if line.startswith(f"| `{flag_name(name)}` "))
        _, _, value, meaning, _ = row.replace("\\|", "").split("|")
        assert value.strip(), row
        assert meaning.strip(), row


def test_a_stale_page_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "engine-arguments.md"
    page.write_text("old")
    assert main([str(page), "--check"]) == 1
    assert "make generate" in capsys.readouterr().err
    assert main([str(page)]) == 0
    assert main([str(page), "--check"]) == 0
