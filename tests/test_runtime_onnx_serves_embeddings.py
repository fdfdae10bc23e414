"""The ONNX engine answers the OpenAI client with the reference model's vectors, in every form of request."""

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import openai
import pytest

from tests.eventually import eventually
from tests.runtimes import RuntimeProcess, runtime

pytestmark = pytest.mark.local
REFERENCE = json.loads((Path(__file__).parent / "data" / "minilm_reference.json").read_text())
VECTORS = {case["text"]: np.array(case["vector"]) for case in REFERENCE if case["text"]}
TEXTS = [text for text in VECTORS if len(text) < 500]
(LONG,) = set(VECTORS) - set(TEXTS)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    folder: Path = tmp_path_factory.mktemp("onnx")
    with runtime(folder, engine="onnx", model_source="demo://embed", served_names=("embed",)) as process:
        process.wait_for_phase("ready")
        yield process


@pytest.fixture(scope="module")
def client(process: RuntimeProcess) -> Iterator[openai.OpenAI]:
    with process.openai() as client:
        yield client


def post(process: RuntimeProcess, **body: object) -> httpx2.Response:
    return httpx2.post(f"{process.data_url}/v1/embeddings", json={"model": "embed"} | body, timeout=20)


def test_vectors_equal_the_reference_models(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model="embed", input=TEXTS)
    got = np.array([item.embedding for item in answer.data])
    wanted = np.array([VECTORS[text] for text in TEXTS])
    assert [item.index for item in answer.data] == list(range(len(TEXTS)))
    assert (got * wanted).sum(axis=1).min() > 0.9999
    assert np.linalg.norm(got, axis=1) == pytest.approx(1, abs=1e-5)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 2 * len(TEXTS)


def test_float_and_base64_carry_the_same_vectors(process: RuntimeProcess) -> None:
    floats = post(process, input=TEXTS[0]).json()["data"][0]["embedding"]
    packed = post(process, input=TEXTS[0], encoding_format="base64").json()["data"][0]["embedding"]
    assert floats == pytest.approx(np.frombuffer(base64.b64decode(packed), "<f4").tolist(), abs=1e-6)


def test_token_ids_are_taken_as_they_are(process: RuntimeProcess) -> None:
    ids = [101, 7592, 2088, 102]  # [CLS] hello world [SEP]
    by_ids = post(process, input=ids).json()
    by_text = post(process, input="hello world").json()
    two = post(process, input=[ids, ids]).json()
    assert by_ids["data"][0]["embedding"] == pytest.approx(by_text["data"][0]["embedding"], abs=1e-5)
    assert by_ids["usage"]["prompt_tokens"] == 4
    assert len(two["data"]) == 2


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"input": ["fine", "word " * 300]}, "input[1]", "at most 256"),
        ({"input": [*["a"] * 100, "word " * 300]}, "input[100]", "at most 256"),
        ({"input": []}, "input", "none of them empty"),
        ({"input": ["a", ""]}, "input[1]", "not empty"),
        ({"input": [["a"]]}, "input[0]", "token ids"),
        ({"input": [10**6]}, "input[0]", "vocabulary of 30522"),
        ({"input": ["a"] * 2049}, "input", "at most 2048"),
        ({"input": "a", "dimensions": 128}, "dimensions", "possible: 384"),
        ({"input": "a", "dimensions": 0}, "dimensions", "from 1 to 384"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format", "float or base64"),
    ],
)
def test_what_the_model_cannot_take_is_named(
    process: RuntimeProcess, body: dict[str, object], param: str, words: str
) -> None:
    answer = post(process, **body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert words in answer.json()["error"]["message"]


def test_the_models_own_length_is_a_valid_dimension(client: openai.OpenAI) -> None:
    (item,) = client.embeddings.create(model="embed", input="a", dimensions=384).data
    assert len(item.embedding) == 384


def test_nothing_is_written_outside_of_the_cache(tmp_path: Path) -> None:
    home, scratch = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    scratch.mkdir()
    places = {"HOME": str(home), "TMPDIR": str(scratch), "XDG_CACHE_HOME": str(home / ".cache")}
    with runtime(tmp_path, extra=places, engine="onnx", model_source="demo://embed") as process:
        process.wait_for_phase("ready")
        assert post(process, model="m", input="a").status_code == 200
    assert [*home.rglob("*"), *scratch.rglob("*")] == []


def test_a_body_that_is_not_json_is_400(process: RuntimeProcess) -> None:
    answer = httpx2.post(f"{process.data_url}/v1/embeddings", content=b"{")
    assert answer.status_code == 400
    assert "not JSON" in answer.json()["error"]["message"]


async def test_concurrent_requests_are_batched_and_none_is_mixed_up(process: RuntimeProcess) -> None:
    async with openai.AsyncOpenAI(base_url=f"{process.data_url}/v1", api_key="none", max_retries=0) as client:

        async def similarity(text: str) -> float:
            answer = await client.embeddings.create(model="embed", input=text)
            return float(np.dot(answer.data[0].embedding, VECTORS[text]))

        similarities = await asyncio.gather(*(similarity(text) for text in TEXTS * 8))
    assert min(similarities) > 0.9999
    metrics = process.control("/metrics")
    assert metrics is not None
    sums = dict(line.rsplit(" ", 1) for line in metrics.text.splitlines() if not line.startswith("#"))
    batches = float(sums["slipway_onnx_batch_sequences_count"])
    assert float(sums["slipway_onnx_batch_sequences_sum"]) > batches


def test_a_caller_that_hangs_up_leaves_no_work_behind(process: RuntimeProcess) -> None:
    long = ["many words " * 100] * 1024
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(f"{process.data_url}/v1/embeddings", json={"model": "embed", "input": long}, timeout=0.5)

    def queued() -> str:
        metrics = process.control("/metrics")
        assert metrics is not None
        return next(line for line in metrics.text.splitlines() if line.startswith("slipway_onnx_queued_tokens "))

    eventually("an empty queue", queued, lambda line: line.endswith(" 0.0"), within=5)
    assert post(process, input="still here").status_code == 200


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    """A server with a short queue, which cuts what is too long."""
    folder: Path = tmp_path_factory.mktemp("small")
    arguments = ("--max-queue-tokens=500", "--max-batch-tokens=300", "--auto-truncate")
    with runtime(folder, engine="onnx", model_source="demo://embed", engine_args=arguments) as process:
        process.wait_for_phase("ready")
        yield process


def test_with_auto_truncate_long_texts_are_cut_as_the_reference_model_does(small: RuntimeProcess) -> None:
    answer = post(small, model="m", input=LONG).json()
    assert np.dot(answer["data"][0]["embedding"], VECTORS[LONG]) > 0.9999
    assert answer["usage"]["prompt_tokens"] == 256


async def test_too_much_waiting_is_refused_with_429(small: RuntimeProcess) -> None:
    answers = await overload(small, "/v1/embeddings", {"model": "m", "input": ["word " * 400] * 4})
    assert {answer.headers["retry-after"] for answer in answers} == {"1"}
    assert {answer.json()["error"]["code"] for answer in answers} == {"engine_overloaded"}


async def test_a_tei_client_is_refused_in_its_own_shape(small: RuntimeProcess) -> None:
    answers = await overload(small, "/embed", {"inputs": ["word " * 400] * 4})
    assert {answer.headers["retry-after"] for answer in answers} == {"1"}
    assert all(answer.json() == {"error": "Model is overloaded", "error_type": "Overloaded"} for answer in answers)


async def overload(process: RuntimeProcess, path: str, body: dict[str, object]) -> list[httpx2.Response]:
    """The answers to those of several requests at once that were refused."""
    async with httpx2.AsyncClient(base_url=process.data_url, timeout=30) as client:
        answers = await asyncio.gather(*(client.post(path, json=body) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200, 429}
    return [answer for answer in answers if answer.status_code == 429]
