"""Write the trained model and its tokenizer as a GGUF file that llama.cpp loads."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
from model import Llama
from tokenizers import Tokenizer
from torch import Tensor

NAME = "Slipway demo chat"
START, END, PAD = "<|im_start|>", "<|im_end|>", "<|pad|>"
SPECIAL_TOKENS = (PAD, START, END)
# ChatML, but the model reads lower case only: it has less to learn, and GPU, Gpu and gpu are one word to it.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.role == 'assistant' %}{{ message.content }}{% else %}{{ message.content | lower }}{% endif %}"
    "<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
BLOCK_TENSORS = {
    "attention_norm": "attn_norm",
    "query": "attn_q",
    "key": "attn_k",
    "value": "attn_v",
    "output": "attn_output",
    "feed_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}


def write_gguf(model: Llama, tokenizer: Tokenizer, path: Path) -> None:
    """Write matrices as 16-bit floats and norms, which llama.cpp adds in full precision, as 32-bit ones."""
    writer = gguf.GGUFWriter(path, "llama")
    _add_shape(writer, model)
    _add_tokenizer(writer, tokenizer)
    _add_tensor(writer, "token_embd.weight", model.embedding.weight)
    _add_tensor(writer, "output_norm.weight", model.norm.weight)
    for index, block in enumerate(model.blocks):
        for ours, theirs in BLOCK_TENSORS.items():
            _add_tensor(writer, f"blk.{index}.{theirs}.weight", getattr(block, ours).weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """Return the number of a special token. Raises KeyError for one that the tokenizer lacks."""
    number = tokenizer.token_to_id(token)
    if number is None:
        raise KeyError(token)
    return number


def _add_tensor(writer: gguf.GGUFWriter, name: str, tensor: Tensor) -> None:
    values = tensor.detach().numpy()
    writer.add_tensor(name, values.astype(np.float32 if values.ndim == 1 else np.float16))


def _add_shape(writer: gguf.GGUFWriter, model: Llama) -> None:
    shape = model.shape
    writer.add_name(NAME)
    writer.add_license("apache-2.0")
    writer.add_description("Answers questions about Slipway and nothing else")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(shape.norm_eps)
    writer.add_rope_dimension_count(shape.head_size)
    writer.add_rope_freq_base(shape.rope_base)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    special = {token_id(tokenizer, token) for token in SPECIAL_TOKENS}
    vocabulary = tokenizer.get_vocab()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(sorted(vocabulary, key=vocabulary.__getitem__))
    writer.add_token_types(
        [gguf.TokenType.CONTROL if index in special else gguf.TokenType.NORMAL for index in range(len(vocabulary))]
    )
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(token_id(tokenizer, START))
    writer.add_eos_token_id(token_id(tokenizer, END))
    writer.add_pad_token_id(token_id(tokenizer, PAD))
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)
