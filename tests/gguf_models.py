"""GGUF models for tests, written here: a tiny Llama with random weights, its vision projector, and MiniLM as BERT."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from slipway_runtime.demo.embed_onnx import minilm_source

CHAT_TEMPLATE: Final = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_SPECIAL: Final = ("<|im_start|>", "<|im_end|>", "<|pad|>")
_NEWLINE: Final = "\u010a"
"""As GPT-2's alphabet of bytes writes it."""
_WIDTH, _HEADS, _INNER, _LAYERS = 32, 2, 64, 2
_PATCH, _IMAGE = 14, 28

Array = NDArray[np.float32]


def tiny_llama(path: Path, *, chat_template: str | None = CHAT_TEMPLATE, context: int = 512) -> Path:
    """A Llama of two layers that reads and writes single bytes, and means nothing by them."""
    writer = gguf.GGUFWriter(path, "llama")
    _add_llama_shape(writer, context)
    vocabulary = _add_byte_tokenizer(writer)
    if chat_template is not None:
        writer.add_chat_template(chat_template)
    random = np.random.default_rng(0)
    _add(writer, "token_embd.weight", _random(random, len(vocabulary), _WIDTH))
    _add_llama_layers(writer, partial(_random, random))
    return _finish(writer, path)


def parrot(path: Path, saying: Sequence[str], chat_template: str) -> Path:
    """A Llama that says ``saying`` piece by piece, whatever it is asked, and ends.

    Its layers add nothing: the last token alone decides on the next. Each piece is one token.
    """
    writer = gguf.GGUFWriter(path, "llama")
    _add_llama_shape(writer, context=2048)
    vocabulary = _add_byte_tokenizer(writer, saying)
    writer.add_chat_template(chat_template)
    # What a template writes last, then the pieces, then the end.
    chain = [vocabulary.index(token) for token in (_NEWLINE, *saying, _SPECIAL[1])]
    embedding = np.zeros((len(vocabulary), _WIDTH), np.float32)
    output = np.zeros_like(embedding)
    for place, (token, following) in enumerate(pairwise(chain)):
        embedding[token, place] = 1
        output[following, place] = 10
    _add(writer, "token_embd.weight", embedding)
    _add(writer, "output.weight", output)
    _add_llama_layers(writer, lambda *shape: np.zeros(shape, np.float32))
    return _finish(writer, path)


def tiny_projector(path: Path) -> Path:
    """A vision projector of the LLaVA kind for `tiny_llama`: four patches of an image of 28 by 28 pixels."""
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", "mlp")
    writer.add_bool("clip.use_gelu", True)
    for name, number in (
        *(("image_size", _IMAGE), ("patch_size", _PATCH), ("embedding_length", _WIDTH)),
        *(("feed_forward_length", _INNER), ("projection_dim", _WIDTH), ("block_count", _LAYERS)),
        ("attention.head_count", _HEADS),
    ):
        writer.add_uint32(f"clip.vision.{name}", number)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])
    random = np.random.default_rng(1)
    patches = (_IMAGE // _PATCH) ** 2
    _add(writer, "v.patch_embd.weight", _random(random, _WIDTH, 3, _PATCH, _PATCH))
    _add(writer, "v.class_embd", _random(random, _WIDTH))
    _add(writer, "v.position_embd.weight", _random(random, patches + 1, _WIDTH))
    _add_linear(writer, random, "v.pre_ln", _WIDTH)
    for layer in range(_LAYERS):
        for name in ("ln1", "ln2"):
            _add_linear(writer, random, f"v.blk.{layer}.{name}", _WIDTH)
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            _add_linear(writer, random, f"v.blk.{layer}.{name}", _WIDTH, _WIDTH)
        _add_linear(writer, random, f"v.blk.{layer}.ffn_up", _INNER, _WIDTH)
        _add_linear(writer, random, f"v.blk.{layer}.ffn_down", _WIDTH, _INNER)
    _add_linear(writer, random, "mm.0", _WIDTH, _WIDTH)
    _add_linear(writer, random, "mm.2", _WIDTH, _WIDTH)
    return _finish(writer, path)


def minilm(path: Path, *, scores: bool = False) -> Path:
    """all-MiniLM-L6-v2 of the installed package; with ``scores`` also a layer as rerankers have it, not trained."""
    source = minilm_source()
    config = json.loads((source / "config.json").read_text())
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.RANK if scores else gguf.PoolingType.MEAN)
    _add_wordpiece(writer, (source / "vocab.txt").read_text().splitlines())
    with safe_open(source / "model.safetensors", framework="numpy") as tensors:
        for name in tensors.keys():  # noqa: SIM118 - the file is no mapping
            if (renamed := _bert_name(name)) is not None:
                _add(writer, renamed, tensors.get_tensor(name))
    if scores:
        width = config["hidden_size"]
        random = np.random.default_rng(2)
        _add(writer, "cls.weight", np.eye(width, dtype=np.float32))
        _add(writer, "cls.bias", np.zeros(width, np.float32))
        _add(writer, "cls.output.weight", _random(random, 1, width))
        _add(writer, "cls.output.bias", np.zeros(1, np.float32))
    return _finish(writer, path)


def _add_llama_shape(writer: gguf.GGUFWriter, context: int) -> None:
    writer.add_context_length(context)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)


def _add_llama_layers(writer: gguf.GGUFWriter, values: Callable[..., Array]) -> None:
    _add(writer, "output_norm.weight", np.ones(_WIDTH, np.float32))
    for layer in range(_LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            _add(writer, f"blk.{layer}.{name}.weight", np.ones(_WIDTH, np.float32))
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            _add(writer, f"blk.{layer}.{name}.weight", values(_WIDTH, _WIDTH))
        for name in ("ffn_gate", "ffn_up"):
            _add(writer, f"blk.{layer}.{name}.weight", values(_INNER, _WIDTH))
        _add(writer, f"blk.{layer}.ffn_down.weight", values(_WIDTH, _INNER))


_BERT_NAMES: Final = (
    ("embeddings.word_embeddings", "token_embd"),
    ("embeddings.token_type_embeddings", "token_types"),
    ("embeddings.position_embeddings", "position_embd"),
    ("embeddings.LayerNorm", "token_embd_norm"),
    ("encoder.layer.", "blk."),
    ("attention.self.query", "attn_q"),
    ("attention.self.key", "attn_k"),
    ("attention.self.value", "attn_v"),
    ("attention.output.dense", "attn_output"),
    ("attention.output.LayerNorm", "attn_output_norm"),
    ("intermediate.dense", "ffn_up"),
    ("output.dense", "ffn_down"),
    ("output.LayerNorm", "layer_output_norm"),
)


def _bert_name(name: str) -> str | None:
    if name.startswith("pooler.") or name.endswith("position_ids"):
        return None
    for theirs, ours in _BERT_NAMES:
        name = name.replace(theirs, ours)
    return name


def _add_byte_tokenizer(writer: gguf.GGUFWriter, pieces: Sequence[str] = ()) -> list[str]:
    # GPT-2 writes bytes that are no printable character as ones from U+0100 on.
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    alphabet = [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(others))]
    tokens = [*alphabet, "ab", *_SPECIAL, *pieces]
    kinds = [gguf.TokenType.NORMAL] * (len(alphabet) + 1)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    kinds += [gguf.TokenType.CONTROL] * len(_SPECIAL) + [gguf.TokenType.USER_DEFINED] * len(pieces)
    writer.add_token_types(kinds)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(tokens.index(_SPECIAL[0]))
    writer.add_eos_token_id(tokens.index(_SPECIAL[1]))
    writer.add_pad_token_id(tokens.index(_SPECIAL[2]))
    writer.add_add_bos_token(False)
    return tokens


def _add_wordpiece(writer: gguf.GGUFWriter, vocabulary: list[str]) -> None:
    def rewritten(token: str) -> str:
        if token.startswith("[") and token.endswith("]"):
            return token
        # llama.cpp marks the beginnings of words, not what goes on.
        return token[2:] if token.startswith("##") else f"\u2581{token}"

    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([rewritten(token) for token in vocabulary])
    writer.add_token_types([gguf.TokenType.NORMAL] * len(vocabulary))
    writer.add_token_type_count(2)
    writer.add_bos_token_id(vocabulary.index("[CLS]"))
    writer.add_eos_token_id(vocabulary.index("[SEP]"))
    writer.add_unk_token_id(vocabulary.index("[UNK]"))
    writer.add_sep_token_id(vocabulary.index("[SEP]"))
    writer.add_pad_token_id(vocabulary.index("[PAD]"))
    writer.add_mask_token_id(vocabulary.index("[MASK]"))


def _add_linear(writer: gguf.GGUFWriter, random: np.random.Generator, name: str, *shape: int) -> None:
    _add(writer, f"{name}.weight", _random(random, *shape))
    _add(writer, f"{name}.bias", np.zeros(shape[0], np.float32))


def _add(writer: gguf.GGUFWriter, name: str, values: NDArray[Any]) -> None:
    writer.add_tensor(name, np.ascontiguousarray(values, np.float32))


def _random(random: np.random.Generator, *shape: int) -> Array:
    return (random.standard_normal(shape) * 0.2).astype(np.float32)


def _finish(writer: gguf.GGUFWriter, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
