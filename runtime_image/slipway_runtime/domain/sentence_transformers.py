"""What the files of a model's folder say about feeding it and about turning token vectors into an embedding."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from slipway_crds.conditions import Reason
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.onnx import OnnxOptions
from slipway_runtime.domain.openai import ApiError
from slipway_runtime.domain.text_model import Head, Kind, head_of


class Pooling(StrEnum):
    """How one vector comes from many."""

    MEAN = "mean"
    CLS = "cls"
    LAST = "last"
    MAX = "max"
    SPLADE = "splade"


@dataclass(frozen=True)
class TextModel:
    """How to use one model."""

    head: Head
    max_tokens: int
    dimensions: int
    """Length of an embedding; of a sparse one, the size of the vocabulary."""
    vocabulary: int
    pad_token: int
    pooling: Pooling
    normalize: bool
    matryoshka: frozenset[int] | None
    """Lengths to which embeddings may be cut; None means any, empty means none."""
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str = ""

    def check_dimensions(self, asked: object) -> int | None:
        """The length to cut embeddings to, None for their own. Raises ApiError when the model was not made for it."""
        if asked is None or asked == self.dimensions:
            return None
        if type(asked) is not int or not 0 < asked < self.dimensions:
            message = f"dimensions must be a whole number from 1 to {self.dimensions}"
            raise ApiError(400, message, param="dimensions")
        if self.matryoshka is not None and asked not in self.matryoshka:
            possible = ", ".join(map(str, sorted({*self.matryoshka, self.dimensions})))
            message = f"this model's embeddings cannot be cut to {asked} dimensions; possible: {possible}"
            raise ApiError(400, message, param="dimensions")
        return asked

    def prompt(self, name: str | None) -> str:
        """The words to put before each text: those called ``name``, else the default's. Raises ApiError."""
        if name is None:
            return self.default_prompt
        if name not in self.prompts:
            # The form of text-embeddings-inference, from which clients learn the names.
            known = ", ".join(f'"{known}"' for known in self.prompts)
            hint = f"Available prompts: [{known}]" if known else "It has no prompts"
            message = f"the model has no prompt named {name!r}. {hint}"
            raise ApiError(400, message, param="prompt_name")
        return self.prompts[name]


def text_model(files: Mapping[str, Any], options: OnnxOptions) -> TextModel:
    """The model that ``files`` (path in the folder → parsed JSON) describe, changed by ``options``.

    The layout is that of sentence-transformers: ``config.json`` of the transformer, ``modules.json`` with its steps.
    Raises RuntimeFailure (WeightsInvalid, InvalidConfiguration) for steps that this engine cannot do.
    """
    config = files.get("config.json")
    if not isinstance(config, dict):
        raise _invalid("the model's folder has no config.json")
    vocabulary = _size(config, ("vocab_size",))
    pooling, normalize = _steps(files)
    pooling = Pooling(options.pooling) if options.pooling else pooling
    head = head_of(config, splade=pooling is Pooling.SPLADE)
    width = _size(config, ("hidden_size", "dim", "d_model", "n_embd")) if head.kind is Kind.EMBEDDING else 0
    prompts, default_prompt = _prompts(files, options)
    return TextModel(
        head=head,
        max_tokens=_max_tokens(files, config, options),
        dimensions=vocabulary if head.kind is Kind.SPARSE else width,
        vocabulary=vocabulary,
        pad_token=int(config.get("pad_token_id") or 0),
        pooling=pooling,
        normalize=(normalize if options.normalize is None else options.normalize) and head.kind is Kind.EMBEDDING,
        matryoshka=None if options.matryoshka else _matryoshka(config),
        prompts=prompts,
        default_prompt=default_prompt,
    )


def _size(config: Mapping[str, Any], names: tuple[str, ...]) -> int:
    found = next((config[name] for name in names if name in config), None)
    if found is None:
        raise _invalid(f"config.json of the model's folder lacks {' or '.join(names)}")
    return int(found)


_POSITIONS: Final = ("max_position_embeddings", "n_positions", "max_trained_positions")
_OFFSET_POSITIONS: Final = ("roberta", "xlm-roberta", "camembert", "mpnet")
"""Model types whose positions begin behind that of padding."""


def _max_tokens(files: Mapping[str, Any], config: Mapping[str, Any], options: OnnxOptions) -> int:
    positions = next((int(config[name]) for name in _POSITIONS if config.get(name)), 512)
    if config.get("model_type") in _OFFSET_POSITIONS:
        positions -= int(config.get("pad_token_id") or 0) + 1
    limit = (files.get("sentence_bert_config.json") or {}).get("max_seq_length") or positions
    return min(options.max_tokens or int(limit), positions)


def _steps(files: Mapping[str, Any]) -> tuple[Pooling, bool]:
    modules = files.get("modules.json")
    if not isinstance(modules, list):
        return Pooling.MEAN, True
    pooling, normalize = Pooling.MEAN, False
    for module in modules:
        kind, path = str(module["type"]).rpartition(".")[2], str(module["path"])
        match kind:
            case "Transformer" | "MLMTransformer":
                pass
            case "Pooling":
                pooling = _pooling(files.get(f"{path}/config.json") or {})
            case "SpladePooling":
                pooling = _splade(files.get(f"{path}/config.json") or {})
            case "Normalize":
                normalize = True
            case _:
                raise _invalid(f"modules.json has the step {kind}; this engine knows Transformer, Pooling, Normalize")
    return pooling, normalize


_POOLING_FLAGS: Final = {
    "pooling_mode_mean_tokens": Pooling.MEAN,
    "pooling_mode_cls_token": Pooling.CLS,
    "pooling_mode_lasttoken": Pooling.LAST,
    "pooling_mode_max_tokens": Pooling.MAX,
}
_POOLING_NAMES: Final = {
    flag.removeprefix("pooling_mode_").split("_")[0]: mode for flag, mode in _POOLING_FLAGS.items()
}


def _pooling(config: Mapping[str, Any]) -> Pooling:
    if config.get("include_prompt") is False:
        raise _invalid("the pooling leaves the prompt out (include_prompt: false); this engine cannot")
    named = config.get("pooling_mode")
    if isinstance(named, str):
        if named in _POOLING_NAMES:
            return _POOLING_NAMES[named]
        raise _invalid(f"the pooling {named!r} is not known to this engine; it knows {', '.join(_POOLING_NAMES)}")
    chosen = [flag for flag, on in config.items() if flag.startswith("pooling_mode_") and on is True]
    if len(chosen) != 1 or chosen[0] not in _POOLING_FLAGS:
        raise _invalid(f"the pooling {chosen} is not known to this engine; it knows one of {list(_POOLING_FLAGS)}")
    return _POOLING_FLAGS[chosen[0]]


def _splade(config: Mapping[str, Any]) -> Pooling:
    wanted = {"pooling_strategy": "max", "activation_function": "relu"}
    for name, value in wanted.items():
        if config.get(name, value) != value:
            raise _invalid(f"the SPLADE pooling has {name}: {config[name]}; this engine knows {value}")
    return Pooling.SPLADE


def _prompts(files: Mapping[str, Any], options: OnnxOptions) -> tuple[dict[str, str], str]:
    config = files.get("config_sentence_transformers.json") or {}
    prompts = {str(name): str(text) for name, text in (config.get("prompts") or {}).items()}
    if options.default_prompt is not None:
        return prompts, options.default_prompt
    name = options.default_prompt_name or config.get("default_prompt_name")
    if name is not None and name not in prompts:
        known = ", ".join(prompts) or "none"
        message = f"the model has no prompt named {name!r} for --default-prompt-name; it has {known}"
        raise RuntimeFailure(Reason.INVALID_CONFIGURATION, message)
    return prompts, "" if name is None else prompts[name]


def _matryoshka(config: Mapping[str, Any]) -> frozenset[int] | None:
    lengths = config.get("matryoshka_dimensions")
    if isinstance(lengths, list):
        return frozenset(map(int, lengths))
    return None if config.get("is_matryoshka") is True else frozenset()


def _invalid(message: str) -> RuntimeFailure:
    return RuntimeFailure(Reason.WEIGHTS_INVALID, message)
