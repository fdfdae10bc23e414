"""Train the demo chat model and write it as GGUF: ``python train.py slipway-demo-chat.gguf``.

The same seed, steps, threads and library versions give the same file on the same kind of CPU. The README beside this
file lists the packages, the time it takes and what comes out.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import torch
from conversations import Message, make_conversation, reword
from corpus import Fact, load_facts
from gguf_export import END, SPECIAL_TOKENS, START, token_id, write_gguf
from model import Llama, LlamaShape
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from torch.nn import functional

VOCABULARY = 1536
BATCH_TOKENS = 4096
BATCHES_PER_POOL = 32
PEAK_RATE = 3e-3
WARM_UP_STEPS = 60
WEIGHT_DECAY = 0.05
# Which answer it will be is decided by its first tokens, the rest follows from them. So the openings count more,
# and most conversations stop after the last opening: that trains understanding at a third of the cost.
OPENING_TOKENS = 8
OPENING_WEIGHT = 6.0
SHORTENED_SHARE = 0.85
# One question in thirty is kept out of training, to measure how well unseen wordings are understood.
HELD_OUT = 30
# At most so many questions of one fact shape the tokenizer, and are measured.
TOKENIZER_QUESTIONS = 40
MEASURED_QUESTIONS = 12

Batch: TypeAlias = tuple[Tensor, Tensor, Tensor]


class Example(NamedTuple):
    """A conversation, what follows each of its tokens, and how much that counts."""

    tokens: list[int]
    targets: list[int]
    weights: list[float]


def main() -> None:
    """Parse the command line, train, measure and write."""
    parser = argparse.ArgumentParser(description="Train the demo chat model.")
    parser.add_argument("target", type=Path, help="GGUF file to write")
    parser.add_argument("--steps", type=int, default=1200, help="optimiser steps (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="seed of all randomness (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: %(default)s)")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    draw = random.Random(options.seed)
    training, held_out = split(load_facts())
    tokenizer = train_tokenizer(training, draw)
    model = Llama(LlamaShape(tokenizer.get_vocab_size()))
    print(f"{len(training)} facts, {sum(parameter.numel() for parameter in model.parameters()) / 1e6:.2f} M parameters")
    train(model, tokenizer, training, options.steps, draw)
    print(f"unseen wordings answered word for word: {accuracy(model, tokenizer, held_out, draw):.1%}")
    write_gguf(model, tokenizer, options.target)
    print(f"{options.target}: {options.target.stat().st_size / 1e6:.2f} MB")


def split(facts: Sequence[Fact]) -> tuple[list[Fact], list[Fact]]:
    """Divide the questions, by a hash of their words, into those to learn and those held out to measure."""
    return [_only(fact, held_out=False) for fact in facts], [_only(fact, held_out=True) for fact in facts]


def _only(fact: Fact, *, held_out: bool) -> Fact:
    patterns = (
        tuple(question for question in questions if (zlib.crc32(question.encode()) % HELD_OUT == 0) == held_out)
        for questions in fact.patterns
    )
    return dataclasses.replace(fact, patterns=tuple(questions for questions in patterns if questions))


def sample(fact: Fact, count: int, draw: random.Random) -> list[str]:
    """Draw ``count`` of the fact's questions, or all if there are fewer."""
    questions = list(fact.questions)
    return draw.sample(questions, min(count, len(questions)))


def train_tokenizer(facts: Sequence[Fact], draw: random.Random) -> Tokenizer:
    """Learn a byte-level BPE from the facts, so that any input at all can be encoded."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[AddedToken(token, special=True) for token in SPECIAL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    lines = [fact.answer for fact in facts for _ in range(20)]
    for fact in facts:
        lines += [reword(question, draw).lower() for question in sample(fact, TOKENIZER_QUESTIONS, draw)]
    tokenizer.train_from_iterator(lines, trainer)
    return tokenizer


def train(model: Llama, tokenizer: Tokenizer, facts: Sequence[Fact], steps: int, draw: random.Random) -> None:
    """Minimise the cross-entropy of the answers; the rate warms up, then falls as a cosine to zero."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.SequentialLR(
        optimiser,
        [
            torch.optim.lr_scheduler.LinearLR(optimiser, 0.05, 1.0, WARM_UP_STEPS),
            torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, steps - WARM_UP_STEPS)),
        ],
        [WARM_UP_STEPS],
    )
    started = time.monotonic()
    batches = training_batches(tokenizer, facts, draw)
    for step in range(1, steps + 1):
        tokens, targets, weights = next(batches)
        # Several times faster on a CPU with bfloat16 instructions; weights and their updates stay in 32 bits.
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(tokens)
        losses = functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
        loss = (losses * weights.flatten()).sum() / weights.sum()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.4f}, {time.monotonic() - started:.0f} s", flush=True)


def training_batches(tokenizer: Tokenizer, facts: Sequence[Fact], draw: random.Random) -> Iterator[Batch]:
    """Yield batches for ever; each holds conversations of about one length, so that little is padding."""
    weights = [fact.weight for fact in facts]
    while True:
        pool: list[Example] = []
        while sum(len(example.tokens) for example in pool) < BATCH_TOKENS * BATCHES_PER_POOL:
            conversations = (make_conversation(facts, weights, draw) for _ in range(64))
            pool += [encode(tokenizer, messages, draw.random() < SHORTENED_SHARE) for messages in conversations]
        pool.sort(key=lambda example: len(example.tokens))
        batches = []
        while pool:
            count = max(1, BATCH_TOKENS // len(pool[-1].tokens))
            batches.append(pool[-count:])
            del pool[-count:]
        draw.shuffle(batches)
        yield from map(collate, batches)


def encode(tokenizer: Tokenizer, messages: Sequence[Message], shortened: bool = False) -> Example:
    """Write a conversation as the chat template does; only the answers and their end marks are targets.

    A shortened one stops after the opening of the last answer.
    """
    start, end = token_id(tokenizer, START), token_id(tokenizer, END)
    newline = tokenizer.encode("\n").ids
    tokens: list[int] = []
    weights: list[float] = []
    for message in messages:
        head = [start, *tokenizer.encode(f"{message.role}\n").ids]
        content = message.content if message.role == "assistant" else message.content.lower()
        body = [*tokenizer.encode(content).ids, end]
        if shortened and message is messages[-1]:
            body = body[:OPENING_TOKENS]
        tokens += head + body + newline
        answer = [OPENING_WEIGHT] * OPENING_TOKENS + [1.0] * len(body)
        body_weights = answer[: len(body)] if message.role == "assistant" else [0.0] * len(body)
        weights += [0.0] * len(head) + body_weights + [0.0] * len(newline)
    return Example(tokens[:-1], tokens[1:], weights[1:])


def collate(examples: Sequence[Example]) -> Batch:
    """Pad to the longest example; padding comes last, where no causal position looks at it."""
    length = max(len(example.tokens) for example in examples)
    tokens = torch.zeros(len(examples), length, dtype=torch.long)
    targets = torch.zeros(len(examples), length, dtype=torch.long)
    weights = torch.zeros(len(examples), length)
    for row, example in enumerate(examples):
        tokens[row, : len(example.tokens)] = torch.tensor(example.tokens)
        targets[row, : len(example.targets)] = torch.tensor(example.targets)
        weights[row, : len(example.weights)] = torch.tensor(example.weights)
    return tokens, targets, weights


@torch.no_grad()
def accuracy(model: Llama, tokenizer: Tokenizer, facts: Sequence[Fact], draw: random.Random) -> float:
    """Return the share of held-out questions whose whole answer greedy decoding gives."""
    right = total = 0
    for fact in facts:
        for question in sample(fact, MEASURED_QUESTIONS, draw):
            conversation = [Message("user", question), Message("assistant", fact.answer)]
            tokens, targets, weights = collate([encode(tokenizer, conversation)])
            right += bool((model(tokens).argmax(-1) == targets)[weights > 0].all())
            total += 1
    return right / total


if __name__ == "__main__":
    main()
