"""The demo vision model: the demo chat model with eyes for three colours, as vLLM loads it.

Nothing here is trained. A picture becomes one token: its mean colour chooses the embedding of a word, which the chat
model reads in the place of the picture. Asked "What is the" and a red picture, it says what the router is.

The layout is that of LLaVA: a CLIP tower, a projector of two layers and a Llama. The tower's only encoder layer adds
nothing, so that what leaves it is the normalised mean colour.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors.numpy import load_file, save_file

from slipway_runtime.demo.folders import write_once
from slipway_runtime.demo.gguf_file import Array

COLOURS: Final[Mapping[str, tuple[int, int, int]]] = {
    "router": (1, -1, -1),
    "operator": (-1, 1, -1),
    "key": (-1, -1, 1),
}
"""Words by the colour that stands for them: red, green and blue, each channel from -1 to 1."""
PIXELS: Final = 32
"""Width and height that pictures are brought to."""

_WEIGHTS: Final = Path("model.safetensors")
_PICTURE: Final = "<|pad|>"
_WIDTH: Final = 32
_ON: Final = 10.0
"""What the projector's first layer gives for a word's own colour; GELU leaves it as it is."""
_CHAT_TEMPLATE: Final = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content | lower }}{% else %}"
    "{% for part in message.content %}"
    f"{{% if part.type == 'text' %}}{{{{ part.text | lower }}}}{{% else %}}{_PICTURE}{{% endif %}}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_vision_folder(chat: Path, target: Path) -> Path:
    """Write the vision model to ``target``, from the chat model's folder ``chat``, unless it is there; return it."""
    return write_once(target, _WEIGHTS, lambda draft: _write(chat, draft))


def _write(chat: Path, folder: Path) -> None:
    text, tokenizer = _read(chat / "config.json"), _read(chat / "tokenizer_config.json")
    words: dict[str, int] = _read(chat / "tokenizer.json")["model"]["vocab"]
    for name in ("tokenizer.json", "generation_config.json"):
        (folder / name).write_bytes((chat / name).read_bytes())
    _write_json(folder / "config.json", _config(text, words[_PICTURE]))
    _write_json(folder / "tokenizer_config.json", {**tokenizer, "chat_template": _CHAT_TEMPLATE})
    _write_json(folder / "processor_config.json", _processor())
    _write_json(folder / "preprocessor_config.json", _processor()["image_processor"])
    tensors = load_file(chat / _WEIGHTS)
    meanings = [tensors["model.embed_tokens.weight"][words[f"Ġ{word}"]] for word in COLOURS]
    merged = {f"language_model.{name}": tensor for name, tensor in tensors.items()}
    save_file(merged | _tower() | _projector(np.stack(meanings)), folder / _WEIGHTS, {"format": "pt"})


def _config(text: dict[str, Any], picture: int) -> dict[str, Any]:
    return {
        "architectures": ["LlavaForConditionalGeneration"],
        "model_type": "llava",
        "dtype": text["dtype"],
        "image_token_index": picture,
        "image_seq_length": 1,
        "text_config": text,
        "vision_config": {
            "model_type": "clip_vision_model",
            "hidden_size": _WIDTH,
            "intermediate_size": _WIDTH,
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
            "image_size": PIXELS,
            "patch_size": PIXELS,
            "projection_dim": _WIDTH,
        },
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "default",
        "projector_hidden_act": "gelu",
        "multimodal_projector_bias": True,
        "tie_word_embeddings": True,
    }


def _processor() -> dict[str, Any]:
    size = {"height": PIXELS, "width": PIXELS}
    return {
        "processor_class": "LlavaProcessor",
        "image_token": _PICTURE,
        "patch_size": PIXELS,
        "num_additional_image_tokens": 1,
        "vision_feature_select_strategy": "default",
        "image_processor": {
            "image_processor_type": "CLIPImageProcessor",
            "processor_class": "LlavaProcessor",
            "size": size,
            "crop_size": size,
            "do_center_crop": False,
            "image_mean": [0.5] * 3,
            "image_std": [0.5] * 3,
        },
    }


def _tower() -> dict[str, Array]:
    """Each channel's mean and its negative, normalised: (r, g, b, -r, -g, -b, 0 …)."""
    patch = np.zeros((_WIDTH, 3, PIXELS, PIXELS), np.float16)
    for channel in range(3):
        patch[channel, channel] = 1 / PIXELS**2
        patch[3 + channel, channel] = -1 / PIXELS**2
    square, line = np.zeros((_WIDTH, _WIDTH), np.float16), np.zeros(_WIDTH, np.float16)
    layer = {f"self_attn.{name}_proj": square for name in ("q", "k", "v", "out")} | {
        "mlp.fc1": square,
        "mlp.fc2": square,
    }
    norms = ("pre_layrnorm", "post_layernorm", "encoder.layers.0.layer_norm1", "encoder.layers.0.layer_norm2")
    tensors = {
        "embeddings.class_embedding": line,
        "embeddings.patch_embedding.weight": patch,
        "embeddings.position_embedding.weight": np.zeros((2, _WIDTH), np.float16),
        **{f"encoder.layers.0.{name}.weight": tensor for name, tensor in layer.items()},
        **{f"encoder.layers.0.{name}.bias": line for name in layer},
        **{f"{name}.weight": line + 1 for name in norms},
        **{f"{name}.bias": line for name in norms},
    }
    return {f"vision_tower.vision_model.{name}": np.array(tensor, np.float16) for name, tensor in tensors.items()}


def _projector(meanings: Array) -> dict[str, Array]:
    """From a colour to the embedding of its word, the rows of ``meanings``, and to nothing for any other colour."""
    count, width = meanings.shape
    # A pure colour leaves the tower with this in each of its channels.
    scale = np.sqrt(_WIDTH / 6)
    first, bias = np.zeros((width, _WIDTH)), np.zeros(width)
    for row, colour in enumerate(COLOURS.values()):
        # Three channels that agree give 3, one less of them gives 1: what is above 2 is the word's own colour.
        first[row, :3] = np.array(colour) * _ON / scale
        bias[row] = -2 * _ON
    second = np.zeros((width, width))
    second[:, :count] = meanings.T / _ON
    tensors = {
        "linear_1.weight": first,
        "linear_1.bias": bias,
        "linear_2.weight": second,
        "linear_2.bias": np.zeros(width),
    }
    return {f"multi_modal_projector.{name}": tensor.astype(np.float16) for name, tensor in tensors.items()}


def _read(path: Path) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return fields


def _write_json(path: Path, fields: dict[str, Any]) -> None:
    path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
