from pathlib import Path

import pytest

from slipway_crds.generate import main, rendered_crds

CRDS = Path(__file__).parent.parent / "crds" / "generated"


@pytest.mark.parametrize("name", sorted(rendered_crds()))
def test_the_committed_crd_is_what_the_models_say(name: str) -> None:
    assert (CRDS / name).read_text() == rendered_crds()[name]


def test_check_finds_a_stale_file_and_generate_mends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--check"]) == 1
    assert "apikeys.yaml differs from the models; run `make generate`" in capsys.readouterr().err
    assert main([str(tmp_path)]) == 0
    assert main([str(tmp_path), "--check"]) == 0
