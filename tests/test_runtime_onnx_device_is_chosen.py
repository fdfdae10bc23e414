"""What computes follows from the GPUs that are given, the libraries that are there, and what is asked for."""

from typing import Any

import pytest

from slipway_crds.conditions import Reason
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.onnx import (
    CPU_PROVIDER,
    CUDA_PROVIDER,
    TENSORRT_PROVIDER,
    ProviderChoice,
    choose_providers,
    workers_for,
)

GPU_BUILD = (TENSORRT_PROVIDER, CUDA_PROVIDER, CPU_PROVIDER)
CPU_BUILD = ("AzureExecutionProvider", CPU_PROVIDER)


@pytest.mark.parametrize(
    ("available", "gpus", "wanted", "providers"),
    [
        (CPU_BUILD, 0, "auto", (CPU_PROVIDER,)),
        (GPU_BUILD, 0, "auto", (CPU_PROVIDER,)),
        (GPU_BUILD, 0, "cpu", (CPU_PROVIDER,)),
        (GPU_BUILD, 1, "auto", (CUDA_PROVIDER, CPU_PROVIDER)),
        (GPU_BUILD, 2, "cuda", (CUDA_PROVIDER, CPU_PROVIDER)),
        (GPU_BUILD, 1, "tensorrt", (TENSORRT_PROVIDER, CUDA_PROVIDER, CPU_PROVIDER)),
        ((CUDA_PROVIDER, CPU_PROVIDER), 1, "tensorrt", (CUDA_PROVIDER, CPU_PROVIDER)),
    ],
)
def test_a_gpu_that_is_given_is_used(available: tuple[str, ...], gpus: int, wanted: Any, providers: object) -> None:
    choice = choose_providers(available, gpus, wanted)
    assert choice.providers == providers
    assert choice.fallback is None
    assert choice.device == ("cpu" if providers == (CPU_PROVIDER,) else "cuda")


@pytest.mark.parametrize(
    ("available", "wanted", "words"),
    [(CPU_BUILD, "auto", "needs onnxruntime-gpu"), (GPU_BUILD, "cpu", "--provider=cpu asks for it")],
)
def test_a_gpu_that_is_not_used_is_explained(available: tuple[str, ...], wanted: Any, words: str) -> None:
    choice = choose_providers(available, 1, wanted)
    assert (choice.providers, choice.device) == ((CPU_PROVIDER,), "cpu")
    assert choice.fallback is not None
    assert words in choice.fallback


@pytest.mark.parametrize("wanted", ["cuda", "tensorrt"])
def test_asking_for_a_gpu_without_one_is_an_error(wanted: Any) -> None:
    with pytest.raises(RuntimeFailure, match=r"needs a GPU; write resources\.gpu\.count") as raised:
        choose_providers(GPU_BUILD, 0, wanted)
    assert raised.value.reason is Reason.INVALID_CONFIGURATION


def test_a_provider_that_did_not_start_is_a_fallback() -> None:
    chosen = ProviderChoice((CUDA_PROVIDER, CPU_PROVIDER))
    assert chosen.confirmed((CUDA_PROVIDER, CPU_PROVIDER)) == chosen
    failed = chosen.confirmed((CPU_PROVIDER,))
    assert failed.device == "cpu"
    assert failed.fallback is not None
    assert "CUDAExecutionProvider could not be started" in failed.fallback


def test_an_optional_provider_may_fail_while_the_gpu_is_used() -> None:
    chosen = ProviderChoice((TENSORRT_PROVIDER, CUDA_PROVIDER, CPU_PROVIDER))
    left = chosen.confirmed((CUDA_PROVIDER, CPU_PROVIDER))
    assert (left.device, left.fallback) == ("cuda", None)


@pytest.mark.parametrize(("threads", "workers"), [(1, 1), (2, 2), (4, 4), (64, 4)])
def test_a_few_batches_run_at_once(threads: int, workers: int) -> None:
    assert workers_for(threads) == workers
