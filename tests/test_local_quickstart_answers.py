"""The quickstart file on this machine: chat, streamed chat and embeddings, also from a second start."""

from pathlib import Path

import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from tests.local_mode import slipway_up

pytestmark = pytest.mark.local

QUICKSTART = (Path(__file__).parent.parent / "examples" / "quickstart.yaml").read_text()
QUESTION = ChatCompletionUserMessageParam(role="user", content="What is Slipway?")


def test_a_second_start_answers(tmp_path: Path) -> None:
    with slipway_up(tmp_path, QUICKSTART, "--eager") as first:
        # What a first start makes and keeps: the embedding model's ONNX file.
        first.shows("demo-embed  ready in ")
    with slipway_up(tmp_path, QUICKSTART) as up:
        assert list(up.keys) == ["demo"]
        answer = up.client().chat.completions.create(model="demo-chat", messages=[QUESTION], max_tokens=40)
        assert answer.choices[0].message.content
        with up.client().chat.completions.create(
            model="demo-chat", messages=[QUESTION], max_tokens=40, stream=True, temperature=0
        ) as stream:
            pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
        assert len([piece for piece in pieces if piece]) > 3
        vectors = up.client().embeddings.create(model="demo-embed", input=["a ship", "leaves the slipway"])
        assert [len(item.embedding) for item in vectors.data] == [384, 384]
