"""What unchanged public clients of text-embeddings-inference expect of a server, wherever it is reached.

Each check takes the URL to which a client appends text-embeddings-inference's paths, and the headers to send.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import openai
from httpx import Timeout
from tei_client import HttpClient
from text_embeddings_inference_client import Client
from text_embeddings_inference_client.api.text_embeddings_inference import embed, get_model_info, health
from text_embeddings_inference_client.models import EmbedRequest, ErrorResponse, ErrorType

WIDTH = 384
TEXTS = ["A cat sat on the mat.", "Kittens purr.", "The stock market fell."]
NO_HEADERS: Mapping[str, str] = {}


@contextmanager
def _client(url: str, headers: Mapping[str, str]) -> Iterator[HttpClient]:
    client = HttpClient(url, headers=dict(headers), timeout=30)
    with client.client:  # it closes nothing by itself
        yield client


def check_tei_client_embeds(url: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
    """`tei-client` against ``demo://embed``."""
    with _client(url, headers) as client:
        assert client.health()
        info = client.info()
        assert info.server_model_type == "embedding"
        assert info.max_client_batch_size == 32
        vectors = np.array(client.embed(TEXTS))
        assert vectors.shape == (len(TEXTS), WIDTH)
        similar = vectors @ vectors[0]
        assert similar[0] > 0.999 > similar[1] > similar[2]
        tokens = client.tokenize("Hello world")[0]
        assert [token.text for token in tokens.tokens] == ["[CLS]", "Hello", "world", "[SEP]"]
        assert client.decode(tokens.get_ids())[0] == "hello world"
        by_token = client.embed_all("Hello world")
        assert np.array(by_token).shape == (1, len(tokens.tokens), WIDTH)
        assert client.prompt_names() == []


async def check_tei_client_embeds_asynchronously(url: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
    """`tei-client`'s other half."""
    with _client(url, headers) as client:
        async with client.async_client:
            assert await client.async_health()
            one, two = await client.async_embed(TEXTS[:2], normalize=False, truncate=True)
            assert len(one) == len(two) == WIDTH


def check_tei_client_reranks(url: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
    """`tei-client` against ``demo://rerank``."""
    with _client(url, headers) as client:
        assert client.info().server_model_type == "reranker"
        ranks = client.rerank("cats", TEXTS[::-1], return_text=True).ranks
        assert [rank.text for rank in ranks] == TEXTS
        assert [rank.index for rank in ranks] == [2, 1, 0]
        assert 1 >= ranks[0].score > 0.9 > 0.1 > ranks[2].score >= 0
        raw = client.rerank("cats", TEXTS, raw_scores=True).ranks
        assert raw[0].score > 1 > 0 > raw[2].score


def check_tei_client_classifies(url: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
    """`tei-client` against ``demo://classify``."""
    with _client(url, headers) as client:
        assert client.info().server_model_type == "classifier"
        good, bad = client.classify(["What a wonderful film!", "An awful, boring book."])
        assert [good.scores[0].label, bad.scores[0].label] == ["positive", "negative"]
        assert abs(sum(score.score for score in good.scores) - 1) < 1e-5


def check_huggingfaces_client_embeds(url: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
    """`text-embeddings-inference-client` against ``demo://embed``."""
    with Client(base_url=url, headers=dict(headers), timeout=Timeout(30)) as client:
        assert health.sync_detailed(client=client).status_code == 200
        assert get_model_info.sync_detailed(client=client).status_code == 200
        vectors = embed.sync(client=client, json_body=EmbedRequest(inputs=TEXTS))
        assert isinstance(vectors, list)
        assert np.array(vectors).shape == (len(TEXTS), WIDTH)
        cut = embed.sync(client=client, json_body=EmbedRequest(inputs="word " * 600, truncate=True))
        assert isinstance(cut, list)
        refused = embed.sync(client=client, json_body=EmbedRequest(inputs="word " * 600, truncate=False))
        assert isinstance(refused, ErrorResponse)
        assert refused.error_type is ErrorType.VALIDATION
        many = embed.sync(client=client, json_body=EmbedRequest(inputs=["a"] * 33))
        assert isinstance(many, ErrorResponse)
        assert many.error == "batch size 33 > maximum allowed batch size 32"


def check_openais_client_embeds(url: str, key: str, model: str) -> None:
    """`openai` at the ``/v1`` of ``url`` against ``demo://embed``."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=30) as client:
        answer = client.embeddings.create(model=model, input=TEXTS)
    assert np.array([item.embedding for item in answer.data]).shape == (len(TEXTS), WIDTH)
    assert answer.usage.total_tokens > 0
