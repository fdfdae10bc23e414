"""A small Llama: RMS norm, rotary positions, SwiGLU, and the token embedding as output layer too."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class LlamaShape:
    """Sizes of the model; the head size is ``width // heads``."""

    vocabulary: int
    width: int = 192
    layers: int = 5
    heads: int = 6
    feed_forward: int = 512
    norm_eps: float = 1e-5
    rope_base: float = 10_000.0
    context: int = 2048

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


class Llama(nn.Module):
    """Map tokens (batch, sequence) to logits (batch, sequence, vocabulary)."""

    rope: Tensor

    def __init__(self, shape: LlamaShape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, shape.norm_eps)
        self.register_buffer("rope", _rope_table(shape), persistent=False)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits of the token after each position."""
        hidden = self.embedding(tokens)
        rope = self.rope[: tokens.shape[1]]
        for block in self.blocks:
            hidden = block(hidden, rope)
        logits: Tensor = functional.linear(self.norm(hidden), self.embedding.weight)
        return logits


class Block(nn.Module):
    """Attention and feed-forward, each with its norm before and a residual around."""

    def __init__(self, shape: LlamaShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.attention_norm = nn.RMSNorm(shape.width, shape.norm_eps)
        self.query = nn.Linear(shape.width, shape.width, bias=False)
        self.key = nn.Linear(shape.width, shape.width, bias=False)
        self.value = nn.Linear(shape.width, shape.width, bias=False)
        self.output = nn.Linear(shape.width, shape.width, bias=False)
        self.feed_norm = nn.RMSNorm(shape.width, shape.norm_eps)
        self.gate = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.up = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.down = nn.Linear(shape.feed_forward, shape.width, bias=False)

    def forward(self, hidden: Tensor, rope: Tensor) -> Tensor:
        """Return the hidden states after this block."""
        hidden = hidden + self._attend(self.attention_norm(hidden), rope)
        normed = self.feed_norm(hidden)
        fed: Tensor = self.down(functional.silu(self.gate(normed)) * self.up(normed))
        return hidden + fed

    def _attend(self, hidden: Tensor, rope: Tensor) -> Tensor:
        query, key, value = (
            layer(hidden).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        # Written out, because PyTorch's fused attention is several times slower to train on a CPU.
        scores = _rotate(query, rope) @ _rotate(key, rope).transpose(-1, -2) * query.shape[-1] ** -0.5
        future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        mixed = scores.masked_fill(future, -torch.inf).softmax(-1).to(value.dtype) @ value
        attended: Tensor = self.output(mixed.transpose(1, 2).flatten(-2))
        return attended


def _rope_table(shape: LlamaShape) -> Tensor:
    """Return the rotation of every position and pair as complex numbers: (context, head_size / 2)."""
    exponents = torch.arange(0, shape.head_size, 2) / shape.head_size
    angles = torch.outer(torch.arange(shape.context).float(), shape.rope_base**-exponents)
    return torch.polar(torch.ones_like(angles), angles)


def _rotate(vectors: Tensor, rope: Tensor) -> Tensor:
    """Rotate neighbouring pairs, which is how llama.cpp reads a Llama: so no weight is reordered on export."""
    pairs = torch.view_as_complex(vectors.float().reshape(*vectors.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * rope).flatten(-2).to(vectors.dtype)
