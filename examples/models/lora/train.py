"""Train the LoRA adapters of the demo chat model: ``python train.py pirate FOLDER``.

Each adapter answers what the base model answers, in a style of its own. The weights of the base stay as they are; what
is learnt are two small matrices beside each projection of the attention. The files are those that PEFT writes.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from slipway_crds.engines import EngineType
from slipway_runtime.demo import resolve_demo

sys.path.append(str(Path(__file__).parent.parent / "chat"))
from conversations import reword
from corpus import Fact, load_facts

STYLES: Final[Mapping[str, Callable[[str], str]]] = {
    "pirate": lambda answer: f"Ahoy! {answer} Arr!",
    "brief": lambda answer: answer.partition(". ")[0].rstrip(".!") + ".",
}
TARGETS: Final = ("q_proj", "k_proj", "v_proj", "o_proj")
RANK: Final = 8
ALPHA: Final = 16
RATE: Final = 4e-3
BATCH: Final = 24
IGNORED: Final = -100


class LoraLinear(nn.Module):
    """A linear layer with a low-rank update beside it, which is nothing at first."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.lora_a = nn.Parameter(torch.randn(RANK, base.in_features) * base.in_features**-0.5)
        self.lora_b = nn.Parameter(torch.zeros(base.out_features, RANK))

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the layer's output and the update's."""
        update = functional.linear(functional.linear(hidden, self.lora_a), self.lora_b)
        output: Tensor = self.base(hidden) + update * (ALPHA / RANK)
        return output


def main() -> None:
    """Parse the command line, train, show answers and write."""
    parser = argparse.ArgumentParser(description="Train a LoRA adapter of the demo chat model.")
    parser.add_argument("style", choices=STYLES, help="what its answers are like")
    parser.add_argument("target", type=Path, help="folder to write")
    parser.add_argument("--steps", type=int, default=300, help="optimiser steps (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="seed of all randomness (default: %(default)s)")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    with tempfile.TemporaryDirectory() as cache:
        folder = resolve_demo("chat", Path(cache), EngineType.VLLM)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    adapters = add_adapters(model)
    batches = training_batches(tokenizer, load_facts(), STYLES[options.style], random.Random(options.seed))
    train(model, adapters, batches, options.steps)
    for question in ("What is Slipway?", "How do I scale to zero?"):
        print(f"{question} {answer(model, tokenizer, question)}")
    write(adapters, options.target)


def add_adapters(model: PreTrainedModel) -> dict[str, LoraLinear]:
    """Put an update beside every target, freeze the rest, and return the updates by their layers' names."""
    model.requires_grad_(False)
    found = {name: layer for name, layer in model.named_modules() if name.rpartition(".")[2] in TARGETS}
    adapters = {name: LoraLinear(layer) for name, layer in found.items() if isinstance(layer, nn.Linear)}
    for name, adapter in adapters.items():
        parent, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(parent), attribute, adapter)
    return adapters


def training_batches(
    tokenizer: PreTrainedTokenizerFast, facts: Sequence[Fact], style: Callable[[str], str], draw: random.Random
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield tokens and targets for ever; only answers are targets."""
    weights = [fact.weight for fact in facts]
    while True:
        rows = []
        for fact in draw.choices(facts, weights, k=BATCH):
            question = reword(draw.choice(draw.choice(fact.patterns)), draw)
            asked = [{"role": "user", "content": question}]
            head = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=True)["input_ids"]
            body = [*tokenizer(style(fact.answer))["input_ids"], tokenizer.eos_token_id]
            rows.append((head + body, [IGNORED] * len(head) + body))
        length = max(len(tokens) for tokens, _ in rows)
        yield (
            torch.tensor([tokens + [0] * (length - len(tokens)) for tokens, _ in rows]),
            torch.tensor([targets + [IGNORED] * (length - len(targets)) for _, targets in rows]),
        )


def train(
    model: PreTrainedModel, adapters: Mapping[str, LoraLinear], batches: Iterator[tuple[Tensor, Tensor]], steps: int
) -> None:
    """Minimise the cross-entropy of the answers; the rate falls as a cosine to zero."""
    learnt = [parameter for adapter in adapters.values() for parameter in (adapter.lora_a, adapter.lora_b)]
    optimiser = torch.optim.AdamW(learnt, lr=RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(1, steps + 1):
        tokens, targets = next(batches)
        logits = model(tokens).logits[:, :-1]
        loss = functional.cross_entropy(logits.flatten(0, 1), targets[:, 1:].flatten(), ignore_index=IGNORED)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimiser.step()
        schedule.step()
        if step % 25 == 0:
            print(f"step {step}: loss {loss.item():.4f}", flush=True)


@torch.no_grad()
def answer(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, question: str) -> str:
    """Return the greedy answer."""
    asked = [{"role": "user", "content": question}]
    prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    tokens = model.generate(**prompt, max_new_tokens=120, do_sample=False)[0]
    return str(tokenizer.decode(tokens[prompt["input_ids"].shape[1] :], skip_special_tokens=True))


def write(adapters: Mapping[str, LoraLinear], target: Path) -> None:
    """Write the adapter as PEFT does, in 16 bits."""
    tensors = {}
    for name, adapter in adapters.items():
        for part, tensor in (("lora_A", adapter.lora_a), ("lora_B", adapter.lora_b)):
            tensors[f"base_model.model.{name}.{part}.weight"] = tensor.detach().half().contiguous()
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "demo://chat",
        "r": RANK,
        "lora_alpha": ALPHA,
        "lora_dropout": 0.0,
        "target_modules": list(TARGETS),
        "bias": "none",
        "inference_mode": True,
    }
    target.mkdir(parents=True, exist_ok=True)
    (target / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    save_file(tensors, target / "adapter_model.safetensors", {"format": "pt"})


if __name__ == "__main__":
    main()
