from pathlib import Path

import pytest

from slipway_crds.generate import main, rendered_crds, rendered_docs

ROOT = Path(__file__).parent.parent
CRDS = (ROOT / "crds" / "generated", ROOT / "charts" / "slipway" / "files" / "crds")


@pytest.mark.parametrize("name", sorted(rendered_crds()))
def test_the_committed_crd_is_what_the_models_say(name: str) -> None:
    assert [(folder / name).read_text() for folder in CRDS] == [rendered_crds()[name]] * 2


@pytest.mark.parametrize("name", sorted(rendered_docs()))
def test_the_committed_reference_page_is_what_the_models_say(name: str) -> None:
    assert (ROOT / "docs" / "reference" / name).read_text() == rendered_docs()[name]


def test_check_finds_a_stale_file_and_generate_mends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crds", str(tmp_path), "--check"]) == 1
    assert "apikeys.yaml differs from the models; run `make generate`" in capsys.readouterr().err
    assert main(["crds", str(tmp_path)]) == 0
    assert main(["crds", str(tmp_path), "--check"]) == 0
