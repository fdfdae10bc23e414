"""The demo chat model in the layout of the Hugging Face hub, from its GGUF file.

That is what vLLM and transformers load: ``config.json``, ``model.safetensors`` and a fast tokenizer with its chat
template. Weights and tokens are those of the GGUF, so all engines give the same answers.
"""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from slipway_runtime.demo.folders import write_once
from slipway_runtime.demo.gguf_file import Array, GgufError, GgufFile, read_gguf

_BLOCK_TENSORS: Final = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_WEIGHTS: Final = Path("model.safetensors")
_CONTROL_TOKEN: Final = 3
# llama.cpp's defaults, so that answers vary as much with either engine.
_SAMPLING: Final = {"do_sample": True, "temperature": 0.8, "top_k": 40, "top_p": 0.95}


def write_chat_folder(gguf: Path, target: Path) -> Path:
    """Write the Llama in ``gguf`` to the folder ``target``, unless it is there, and return it.

    Raises GgufError for another kind of model, and OSError.
    """
    return write_once(target, _WEIGHTS, lambda draft: _write(gguf, draft))


def _write(gguf: Path, folder: Path) -> None:
    source = read_gguf(gguf)
    metadata = source.metadata
    if metadata.get("general.architecture") != "llama" or metadata.get("tokenizer.ggml.model") != "gpt2":
        raise GgufError(f"{gguf} is not a Llama with a byte-level tokenizer")
    tokens = _special_tokens(metadata)
    ids = {f"{name}_token_id": metadata["tokenizer.ggml.tokens"].index(token) for name, token in tokens.items()}
    _write_json(folder / "config.json", _config(metadata) | ids)
    _write_json(folder / "generation_config.json", ids | _SAMPLING)
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(metadata, tokens))
    _tokenizer(metadata).save(str(folder / "tokenizer.json"))
    save_file(_tensors(source), folder / _WEIGHTS, {"format": "pt"})


def _special_tokens(metadata: dict[str, Any]) -> dict[str, str]:
    names = {"bos": "bos", "eos": "eos", "pad": "padding"}
    tokens = metadata["tokenizer.ggml.tokens"]
    return {ours: tokens[metadata[f"tokenizer.ggml.{theirs}_token_id"]] for ours, theirs in names.items()}


def _config(metadata: dict[str, Any]) -> dict[str, Any]:
    heads = metadata["llama.attention.head_count"]
    width = metadata["llama.embedding_length"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float16",
        "vocab_size": metadata["llama.vocab_size"],
        "max_position_embeddings": metadata["llama.context_length"],
        "hidden_size": width,
        "intermediate_size": metadata["llama.feed_forward_length"],
        "num_hidden_layers": metadata["llama.block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": metadata["llama.attention.head_count_kv"],
        "head_dim": width // heads,
        "hidden_act": "silu",
        "rms_norm_eps": round(metadata["llama.attention.layer_norm_rms_epsilon"], 9),
        "rope_theta": metadata["llama.rope.freq_base"],
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
    }


def _tokenizer_config(metadata: dict[str, Any], tokens: dict[str, str]) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": metadata["llama.context_length"],
        "clean_up_tokenization_spaces": False,
        "chat_template": metadata["tokenizer.chat_template"],
        **{f"{name}_token": token for name, token in tokens.items()},
    }


def _tokenizer(metadata: dict[str, Any]) -> Tokenizer:
    tokens = metadata["tokenizer.ggml.tokens"]
    merges = [tuple(pair.split(" ")) for pair in metadata["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    control = zip(tokens, metadata["tokenizer.ggml.token_type"], strict=True)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token, kind in control if kind == _CONTROL_TOKEN])
    return tokenizer


def _tensors(source: GgufFile) -> dict[str, Array]:
    heads = source.metadata["llama.attention.head_count"]
    tensors = {
        "model.embed_tokens.weight": source.tensors["token_embd.weight"],
        "model.norm.weight": source.tensors["output_norm.weight"],
    }
    for index in range(source.metadata["llama.block_count"]):
        for theirs, ours in _BLOCK_TENSORS.items():
            tensor = source.tensors[f"blk.{index}.{theirs}.weight"]
            paired = theirs in ("attn_q", "attn_k")
            tensors[f"model.layers.{index}.{ours}.weight"] = _halves(tensor, heads) if paired else tensor
    return {name: np.ascontiguousarray(tensor, np.float16) for name, tensor in tensors.items()}


def _halves(tensor: Array, heads: int) -> Array:
    """Reorder the rows of each head: rotary positions turn neighbours in llama.cpp, the two halves in transformers."""
    pairs = tensor.reshape(heads, tensor.shape[0] // heads // 2, 2, tensor.shape[1])
    return pairs.swapaxes(1, 2).reshape(tensor.shape)


def _write_json(path: Path, fields: dict[str, Any]) -> None:
    path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
