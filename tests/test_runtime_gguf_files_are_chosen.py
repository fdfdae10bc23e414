"""Which of several GGUF files is the model: by name, by quantisation, whole or in parts, with its vision projector."""

from pathlib import Path

import pytest

from slipway_crds.conditions import Reason
from slipway_runtime.adapters.llamacpp.files import ModelFiles, find_model
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.gguf_files import GgufChoice, choose_gguf
from slipway_runtime.domain.llamacpp import LlamaCppOptions

SPLIT = ("big-00001-of-00003.gguf", "big-00002-of-00003.gguf", "big-00003-of-00003.gguf")
VARIANTS = ("m-Q8_0.gguf", "m-Q4_K_M.gguf", "m-f16.gguf", "m-IQ4_XS.gguf")


@pytest.mark.parametrize(
    ("names", "model"),
    [
        (["README.md", "m.gguf"], "m.gguf"),
        (["sub/m.gguf"], "sub/m.gguf"),
        ([*reversed(SPLIT), "x.txt"], SPLIT[0]),
        (VARIANTS, "m-Q4_K_M.gguf"),
        (["m-f16.gguf", "m-Q8_0.gguf"], "m-Q8_0.gguf"),
        (["Q4_0/m-Q4_0.gguf", "BF16/m-BF16.gguf"], "Q4_0/m-Q4_0.gguf"),
        (["m-UD-Q4_K_M.gguf", "m-UD-Q2_K.gguf"], "m-UD-Q4_K_M.gguf"),
        (["m.gguf", "mmproj-m-f16.gguf"], "m.gguf"),
    ],
)
def test_the_only_model_or_its_usual_quantisation_is_taken(names: list[str], model: str) -> None:
    assert choose_gguf(names).model == model


def test_parts_of_quantisations_belong_together() -> None:
    q4 = [f"m-Q4_K_M-0000{n}-of-00002.gguf" for n in (1, 2)]
    q8 = [f"m-Q8_0-0000{n}-of-00002.gguf" for n in (1, 2)]
    assert choose_gguf([*q8, *q4]) == GgufChoice(q4[0], tuple(q4))
    assert choose_gguf([*q8, *q4], "*Q8_0*") == GgufChoice(q8[0], tuple(q8))


@pytest.mark.parametrize("file", ["m-Q8_0.gguf", "*Q8_0.gguf", "*Q8*"])
def test_a_name_or_pattern_chooses(file: str) -> None:
    assert choose_gguf(VARIANTS, file).model == "m-Q8_0.gguf"


@pytest.mark.parametrize(
    ("names", "file", "reason", "words"),
    [
        (["b.gguf", "a.gguf"], None, Reason.INVALID_CONFIGURATION, "choose one by --file in engine.args: a.gguf, b"),
        (["a-Q4_0.gguf", "b-Q4_0.gguf"], None, Reason.INVALID_CONFIGURATION, "several .gguf files"),
        (["a.safetensors"], None, Reason.WEIGHTS_INVALID, "needs a .gguf file; the source has a.safetensors"),
        (["mmproj.gguf"], None, Reason.WEIGHTS_INVALID, "the source has mmproj.gguf"),
        ([], None, Reason.WEIGHTS_INVALID, "the source has nothing"),
        (SPLIT[1:], None, Reason.WEIGHTS_INVALID, "one of 3 files of a model; missing: big-00001-of-00003.gguf"),
        ((SPLIT[0], SPLIT[2]), None, Reason.WEIGHTS_INVALID, "missing: big-00002-of-00003.gguf"),
        (VARIANTS, "*Q5*", Reason.WEIGHTS_NOT_FOUND, "is '*Q5*', as --file asks; it has m-IQ4_XS.gguf, m-Q4_K_M.gguf"),
    ],
)
def test_none_or_several_are_listed(names: list[str], file: str | None, reason: Reason, words: str) -> None:
    with pytest.raises(RuntimeFailure) as raised:
        choose_gguf(names, file)
    assert raised.value.reason is reason
    assert words in raised.value.message


@pytest.mark.parametrize(
    ("names", "mmproj", "projector"),
    [
        (["m.gguf", "mmproj-f32.gguf", "mmproj-f16.gguf", "mmproj-bf16.gguf"], None, "mmproj-f16.gguf"),
        (["m.gguf", "mmproj-f32.gguf", "mmproj-f16.gguf"], "*f32*", "mmproj-f32.gguf"),
        (["q4/m.gguf", "m.mmproj.gguf"], None, "m.mmproj.gguf"),
        (["a/m.gguf", "b/mmproj.gguf"], None, None),
        (["m.gguf", "vision.gguf"], "vision.gguf", "vision.gguf"),
    ],
)
def test_a_vision_projector_comes_from_beside_or_above_the_model(
    names: list[str], mmproj: str | None, projector: str | None
) -> None:
    assert choose_gguf(names, "m.gguf", mmproj).projector == projector


def test_a_vision_projector_that_is_not_there_is_named() -> None:
    with pytest.raises(RuntimeFailure, match=r"'x\.gguf', as --mmproj asks; it has m\.gguf") as raised:
        choose_gguf(["m.gguf"], None, "x.gguf")
    assert raised.value.reason is Reason.WEIGHTS_NOT_FOUND


def files(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_in_a_folder_everything_below_is_looked_at(tmp_path: Path) -> None:
    files(tmp_path, "sub/m.gguf", "mmproj.gguf")
    assert find_model(tmp_path, LlamaCppOptions()) == ModelFiles(tmp_path / "sub/m.gguf", tmp_path / "mmproj.gguf")


def test_a_named_file_is_taken_among_others_with_the_projector_beside_it(tmp_path: Path) -> None:
    files(tmp_path, "models/a.gguf", "models/b.gguf", "models/mmproj-a.gguf", "other/mmproj.gguf", "c.gguf")
    found = find_model(tmp_path / "models/a.gguf", LlamaCppOptions())
    assert found == ModelFiles(tmp_path / "models/a.gguf", tmp_path / "models/mmproj-a.gguf")


def test_a_projector_above_a_named_file_is_anothers_where_models_lie_there(tmp_path: Path) -> None:
    files(tmp_path, "q4/a.gguf", "mmproj.gguf")
    assert find_model(tmp_path / "q4/a.gguf", LlamaCppOptions()).projector == tmp_path / "mmproj.gguf"
    files(tmp_path, "b.gguf")
    assert find_model(tmp_path / "q4/a.gguf", LlamaCppOptions()).projector is None


def test_a_named_file_may_have_any_name(tmp_path: Path) -> None:
    files(tmp_path, "weights.bin")
    assert find_model(tmp_path / "weights.bin", LlamaCppOptions()).model == tmp_path / "weights.bin"


def test_a_named_part_needs_the_others_beside_it(tmp_path: Path) -> None:
    files(tmp_path, SPLIT[0], SPLIT[2])
    with pytest.raises(RuntimeFailure, match=r"missing: .*00002-of-00003"):
        find_model(tmp_path / SPLIT[0], LlamaCppOptions())
