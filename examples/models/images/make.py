"""Train the demo image model from nothing: ``python examples/models/images/make.py FOLDER``.

A Stable Diffusion pipeline in miniature (text encoder, denoiser, autoencoder; 2 MB), which draws the coloured shapes
of `shapes`. Needs the packages of ``slipway[runtime-diffusers]``; takes about a quarter of an hour on two cores.
``--random`` leaves the training out: pictures then depend on prompt and seed, but show nothing.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from shapes import COLOURS, SHAPES, caption, draw, random_scene
from torch.nn.functional import mse_loss
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

WIDTH = 64
TOKENS = 24
TEXT_WIDTH = 64
PICTURES = 12_000
WORDS = (
    *COLOURS,
    *SHAPES,
    "a",
    "an",
    "and",
    "the",
    "on",
    "of",
    "small",
    "large",
    "background",
    "picture",
    "image",
    "draw",
)


def tokenizer() -> CLIPTokenizer:
    """CLIP's tokenizer with whole words of the captions, and bytes for everything else."""
    letters = [chr(code) for code in (*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324))]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    merges: list[tuple[str, str]] = []
    # Longest first: merges of a short word must not split a longer one.
    for word in sorted(WORDS, key=lambda word: (-len(word), word)):
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            merges.append((parts[0], parts[1]))
            parts[:2] = ["".join(parts[:2])]
    merges = list(dict.fromkeys(merges))
    tokens = list(dict.fromkeys([*tokens, *("".join(pair) for pair in merges), "<|startoftext|>", "<|endoftext|>"]))
    vocabulary = {token: index for index, token in enumerate(tokens)}
    made = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=TOKENS)
    assert all(len(made.tokenize(word)) == 1 for word in WORDS), "each word of a caption is one token"
    return made


def autoencoder() -> AutoencoderKL:
    """Between pictures and latents of an eighth of their width, with random weights."""
    return AutoencoderKL(
        block_out_channels=(8, 16, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=WIDTH,
        mid_block_add_attention=False,
    )


def denoiser() -> UNet2DConditionModel:
    """Tells noise from picture in latents, led by a text, with random weights."""
    return UNet2DConditionModel(
        sample_size=WIDTH // 8,
        block_out_channels=(40, 64),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        attention_head_dim=4,
        cross_attention_dim=TEXT_WIDTH,
        norm_num_groups=8,
    )


def pipeline() -> StableDiffusionPipeline:
    """The pipeline with random weights."""
    words = tokenizer()
    text = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=TEXT_WIDTH,
        intermediate_size=2 * TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        projection_dim=TEXT_WIDTH,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    parts = (autoencoder(), CLIPTextModel(text), words, denoiser(), scheduler, None, None)
    return StableDiffusionPipeline(*parts, requires_safety_checker=False)


def pictures(rng: random.Random) -> tuple[torch.Tensor, list[str]]:
    """``PICTURES`` pictures with values from -1 to 1, and their captions."""
    scenes = [random_scene(rng) for _ in range(PICTURES)]
    drawn = np.stack([np.asarray(draw(scene, rng, WIDTH)) for scene in scenes])
    captions = [caption(scene, rng) for scene in scenes]
    return torch.from_numpy(drawn).permute(0, 3, 1, 2), captions


def train_autoencoder(vae: AutoencoderKL, drawn: torch.Tensor, steps: int) -> None:
    """Teach the autoencoder to give back what it is shown, and scale its latents to a variance of 1."""
    optimizer = torch.optim.AdamW(vae.parameters(), lr=2e-3, weight_decay=0.01)
    for fraction, chosen in _steps(len(drawn), steps, batch=16):
        _set_rate(optimizer, 2e-3, fraction)
        shown = drawn[chosen].float() / 127.5 - 1
        with _fast():
            posterior = vae.encode(shown).latent_dist
            restored = vae.decode(posterior.sample()).sample.float()
        loss = mse_loss(restored, shown) + (restored - shown).abs().mean() + 1e-7 * posterior.kl().mean()
        _step(optimizer, loss, "autoencoder", fraction)


@torch.no_grad()
def latents_of(vae: AutoencoderKL, drawn: torch.Tensor) -> torch.Tensor:
    """What the autoencoder makes of the pictures; sets its scaling factor."""
    pieces = [vae.encode(piece.float() / 127.5 - 1).latent_dist.mean for piece in drawn.split(256)]
    latents = torch.cat(pieces)
    vae.register_to_config(scaling_factor=round(1 / latents.std().item(), 4))
    return latents * vae.config.scaling_factor


def train_denoiser(model: StableDiffusionPipeline, latents: torch.Tensor, captions: list[str], steps: int) -> None:
    """Teach text encoder and denoiser together. One caption of ten is empty, for guidance."""
    unet, encoder, scheduler = model.unet, model.text_encoder, model.scheduler
    ids = model.tokenizer(
        captions, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt"
    ).input_ids
    empty = model.tokenizer("", padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt").input_ids
    parameters = [*unet.parameters(), *encoder.parameters()]
    averages = [parameter.detach().clone() for parameter in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.01)
    for fraction, chosen in _steps(len(latents), steps, batch=32):
        _set_rate(optimizer, 2e-3, fraction)
        clean = latents[chosen]
        words = torch.where(torch.rand(len(chosen), 1) < 0.1, empty, ids[chosen])
        noise = torch.randn_like(clean)
        moments = torch.randint(scheduler.config.num_train_timesteps, (len(chosen),))
        noisy = scheduler.add_noise(clean, noise, moments)
        with _fast():
            guess = unet(noisy, moments, encoder_hidden_states=encoder(words)[0]).sample
        _step(optimizer, mse_loss(guess.float(), noise), "denoiser", fraction)
        with torch.no_grad():
            for average, parameter in zip(averages, parameters, strict=True):
                average.lerp_(parameter, 0.01 if fraction > 0.1 else 1.0)
    with torch.no_grad():
        for average, parameter in zip(averages, parameters, strict=True):
            parameter.copy_(average)


def _steps(count: int, steps: int, batch: int) -> Iterator[tuple[float, torch.Tensor]]:
    """How much of the training is done, from 0 to 1, and which of ``count`` examples come next."""
    for step in range(steps):
        yield step / steps, torch.randint(count, (batch,))


def _fast() -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16)


def _set_rate(optimizer: torch.optim.Optimizer, peak: float, fraction: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = peak * min(fraction / 0.02, 1 - 0.98 * fraction, 1)


def _step(optimizer: torch.optim.Optimizer, loss: torch.Tensor, what: str, fraction: float) -> None:
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], 1.0)
    optimizer.step()
    if random.random() < 0.02:
        print(f"{what}: {fraction:.0%}, loss {loss.item():.4f}", flush=True)


def main() -> None:
    """Parse the command line, train and save."""
    parser = argparse.ArgumentParser(description="Train the demo image model.")
    parser.add_argument("target", type=Path, help="folder to write")
    parser.add_argument("--random", action="store_true", help="do not train")
    parser.add_argument("--autoencoder-steps", type=int, default=2500)
    parser.add_argument("--denoiser-steps", type=int, default=5000)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    model = pipeline()
    if not arguments.random:
        drawn, captions = pictures(random.Random(0))
        train_autoencoder(model.vae, drawn, arguments.autoencoder_steps)
        train_denoiser(model, latents_of(model.vae, drawn), captions, arguments.denoiser_steps)
    model.to(dtype=torch.float16).save_pretrained(arguments.target, safe_serialization=True)
    size = sum(file.stat().st_size for file in arguments.target.rglob("*") if file.is_file())
    print(f"{arguments.target}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
