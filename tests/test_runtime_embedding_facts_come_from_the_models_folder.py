"""Pooling, normalisation, lengths and dimensions are what the sentence-transformers files say."""

from typing import Any

import pytest

from slipway_crds.conditions import Reason
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.onnx import OnnxOptions
from slipway_runtime.domain.openai import ApiError
from slipway_runtime.domain.sentence_transformers import Pooling, text_model

CONFIG = {"hidden_size": 384, "vocab_size": 100, "max_position_embeddings": 512, "pad_token_id": 1}
KINDS = "sentence_transformers.models."
MODULES = [
    {"type": f"{KINDS}Transformer", "path": ""},
    {"type": f"{KINDS}Pooling", "path": "1_Pooling"},
    {"type": f"{KINDS}Normalize", "path": "2_Normalize"},
]


def files(pooling: dict[str, Any], **config: Any) -> dict[str, Any]:
    return {"config.json": CONFIG | config, "modules.json": MODULES, "1_Pooling/config.json": pooling}


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, Pooling.MEAN),
        ({"pooling_mode_cls_token": True}, Pooling.CLS),
        ({"pooling_mode_lasttoken": True}, Pooling.LAST),
        ({"pooling_mode_max_tokens": True}, Pooling.MAX),
        ({"pooling_mode": "cls"}, Pooling.CLS),
        ({"pooling_mode": "lasttoken"}, Pooling.LAST),
    ],
)
def test_the_pooling_is_read(config: dict[str, Any], pooling: Pooling) -> None:
    assert text_model(files(config), OnnxOptions()).pooling is pooling


@pytest.mark.parametrize(
    "config",
    [{"pooling_mode_mean_sqrt_len_tokens": True}, {"pooling_mode": "weightedmean"}, {}],
    ids=["square root", "weighted", "none"],
)
def test_a_pooling_that_cannot_be_done_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(RuntimeFailure, match="not known to this engine") as raised:
        text_model(files(config), OnnxOptions())
    assert raised.value.reason is Reason.WEIGHTS_INVALID


def test_a_step_that_cannot_be_done_is_refused() -> None:
    modules = [*MODULES, {"type": f"{KINDS}Dense", "path": "3_Dense"}]
    with pytest.raises(RuntimeFailure, match="the step Dense"):
        text_model(files({"pooling_mode": "mean"}) | {"modules.json": modules}, OnnxOptions())


def test_lengths_are_those_of_the_folder_within_the_models_positions() -> None:
    described = files({"pooling_mode": "mean"})
    assert text_model(described, OnnxOptions()).max_tokens == 512
    described["sentence_bert_config.json"] = {"max_seq_length": 256}
    assert text_model(described, OnnxOptions()).max_tokens == 256
    assert text_model(described, OnnxOptions(max_tokens=1000)).max_tokens == 512


def test_normalisation_is_a_step_of_the_folder_and_can_be_overruled() -> None:
    described = files({"pooling_mode": "mean"}) | {"modules.json": MODULES[:2]}
    assert not text_model(described, OnnxOptions()).normalize
    assert text_model(described, OnnxOptions(normalize=True)).normalize


def test_a_plain_transformer_gets_the_mean_normalised() -> None:
    facts = text_model({"config.json": CONFIG}, OnnxOptions())
    assert (facts.pooling, facts.normalize, facts.pad_token) == (Pooling.MEAN, True, 1)


@pytest.mark.parametrize(
    ("config", "asked", "cut"),
    [
        ({}, None, None),
        ({}, 384, None),
        ({"matryoshka_dimensions": [64, 128]}, 64, 64),
        ({"is_matryoshka": True}, 100, 100),
    ],
)
def test_valid_dimensions_are_accepted(config: dict[str, Any], asked: int | None, cut: int | None) -> None:
    assert text_model({"config.json": CONFIG | config}, OnnxOptions()).check_dimensions(asked) == cut


@pytest.mark.parametrize(
    ("config", "asked"),
    [({}, 64), ({"matryoshka_dimensions": [64]}, 65), ({"is_matryoshka": True}, 385), ({}, "64"), ({}, True)],
)
def test_other_dimensions_are_refused(config: dict[str, Any], asked: object) -> None:
    with pytest.raises(ApiError) as raised:
        text_model({"config.json": CONFIG | config}, OnnxOptions()).check_dimensions(asked)
    assert raised.value.body["error"]["param"] == "dimensions"


def test_prompts_are_those_of_the_folder_and_the_default_can_be_chosen() -> None:
    prompts = {"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": "passage"}
    described = {"config.json": CONFIG, "config_sentence_transformers.json": prompts}
    model = text_model(described, OnnxOptions())
    assert (model.prompt(None), model.prompt("query")) == ("passage: ", "query: ")
    assert text_model(described, OnnxOptions(default_prompt_name="query")).prompt(None) == "query: "
    assert text_model(described, OnnxOptions(default_prompt="find: ")).prompt(None) == "find: "
    with pytest.raises(ApiError, match=r'Available prompts: \["query", "passage"\]'):
        model.prompt("other")


def test_a_default_prompt_that_does_not_exist_is_refused() -> None:
    with pytest.raises(RuntimeFailure, match=r"no prompt named 'q' .*it has none") as raised:
        text_model({"config.json": CONFIG}, OnnxOptions(default_prompt_name="q"))
    assert raised.value.reason is Reason.INVALID_CONFIGURATION


def test_positions_behind_that_of_padding_do_not_count() -> None:
    config = {"model_type": "xlm-roberta", "max_position_embeddings": 514, "hidden_size": 8, "vocab_size": 9}
    assert text_model({"config.json": config | {"pad_token_id": 1}}, OnnxOptions()).max_tokens == 512


def test_a_folder_of_sparse_embeddings_is_known_by_its_steps() -> None:
    modules = [{"type": "x.MLMTransformer", "path": ""}, {"type": "x.SpladePooling", "path": "1_SpladePooling"}]
    described = {"config.json": CONFIG | {"architectures": ["BertForMaskedLM"]}, "modules.json": modules}
    model = text_model(described, OnnxOptions())
    assert (model.pooling, model.dimensions, model.normalize) == (Pooling.SPLADE, 100, False)
    pooling = {"1_SpladePooling/config.json": {"pooling_strategy": "sum"}}
    with pytest.raises(RuntimeFailure, match="pooling_strategy: sum"):
        text_model(described | pooling, OnnxOptions())
