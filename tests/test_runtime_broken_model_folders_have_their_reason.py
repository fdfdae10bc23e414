"""A model's folder with a broken or incomplete file ends as invalid weights that name the file."""

import json
from pathlib import Path

import pytest

from slipway_crds.conditions import Reason
from slipway_runtime.adapters.onnx.model import OnnxModel
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.onnx import CPU_PROVIDER, OnnxOptions, ProviderChoice

CONFIG = {"hidden_size": 8, "vocab_size": 100}


def load(folder: Path) -> None:
    OnnxModel(folder, OnnxOptions(), threads=1, providers=ProviderChoice((CPU_PROVIDER,)))


@pytest.mark.parametrize("missing", ["hidden_size", "vocab_size"])
def test_a_config_without_a_needed_field(tmp_path: Path, missing: str) -> None:
    config = {name: value for name, value in CONFIG.items() if name != missing}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(RuntimeFailure, match=rf"config\.json .*{missing}") as raised:
        load(tmp_path)
    assert raised.value.reason is Reason.WEIGHTS_INVALID


def test_a_tokenizer_that_is_cut_short(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0", "mod')
    with pytest.raises(RuntimeFailure, match=r"tokenizer\.json cannot be loaded") as raised:
        load(tmp_path)
    assert raised.value.reason is Reason.WEIGHTS_INVALID
