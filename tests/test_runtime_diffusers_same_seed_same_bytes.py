"""A seed's picture has the same bytes alone, beside others, and in another process. (On another device or with another
number of threads sums are added in another order: pictures look alike, their last bits may differ.)"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.image_models import generate, image_model, metric, pictures
from tests.png_files import png
from tests.runtimes import RuntimeProcess

pytestmark = pytest.mark.engines
SEEDS = range(10, 18)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    with image_model(tmp_path_factory.mktemp("one"), "--threads=2") as process:
        yield process


@pytest.fixture(scope="module")
def alone(process: RuntimeProcess) -> list[bytes]:
    return [pictures(generate(process, seed=seed, prompt=f"a {seed}"))[0] for seed in SEEDS]


def at_once(process: RuntimeProcess, **fields: Any) -> list[bytes]:
    """One request for each of the seeds, all sent together."""
    start = threading.Barrier(len(SEEDS))

    def ask(seed: int) -> bytes:
        start.wait(10)
        return pictures(generate(process, seed=seed, prompt=f"a {seed}", **fields))[0]

    with ThreadPoolExecutor(len(SEEDS)) as pool:
        return list(pool.map(ask, SEEDS))


def test_beside_others(process: RuntimeProcess, alone: list[bytes]) -> None:
    runs = metric(process, "slipway_runtime_images_batch_pictures_count")
    assert at_once(process) == alone
    assert metric(process, "slipway_runtime_images_batch_pictures_count") - runs < len(SEEDS)


def test_at_a_size_where_runs_of_many_may_differ(process: RuntimeProcess) -> None:
    alone = [
        pictures(generate(process, seed=seed, prompt=f"a {seed}", size="128x128", negative_prompt="x"))[0]
        for seed in SEEDS
    ]
    assert at_once(process, size="128x128", negative_prompt="x") == alone


def test_as_one_of_the_pictures_of_a_request(process: RuntimeProcess) -> None:
    several = generate(process, seed=20, n=4)
    assert [item["seed"] for item in several.json()["data"]] == [20, 21, 22, 23]
    assert pictures(several) == [pictures(generate(process, seed=seed))[0] for seed in range(20, 24)]


def test_as_one_of_several_edits_of_a_picture(process: RuntimeProcess) -> None:
    def edit(**fields: str) -> list[bytes]:
        files = {"image": ("p.png", png(64, 64, (200, 30, 30, 255))), "mask": ("m.png", png(64, 64, (0, 0, 0, 0)))}
        data = {"model": "m", "prompt": "a blue star", "steps": "8", "strength": "0.5", **fields}
        return pictures(httpx2.post(f"{process.data_url}/v1/images/edits", data=data, files=files, timeout=120))

    assert edit(seed="5", n="2") == edit(seed="5") + edit(seed="6")


def test_in_another_process(tmp_path_factory: pytest.TempPathFactory, alone: list[bytes]) -> None:
    with image_model(tmp_path_factory.mktemp("two"), "--threads=2", "--batching=never") as other:
        assert at_once(other) == alone
        assert metric(other, "slipway_runtime_images_batch_pictures_count") == len(SEEDS) + 1  # the warm-up
