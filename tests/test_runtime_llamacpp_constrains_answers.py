"""llama.cpp keeps an answer to a JSON schema or a grammar, and turns what a model writes into tool calls."""

import json
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from tests.gguf_models import parrot
from tests.runtimes import CHAT_MODEL, runtime

pytestmark = pytest.mark.local
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "How is the weather?"}]
TOOL_TEMPLATE = (
    "{%- if tools %}<|im_start|>system\n<tools>{% for tool in tools %}\n{{ tool | tojson }}{% endfor %}\n</tools>"
    "<|im_end|>\n{% endif %}"
    "{%- for message in messages %}{{ '<|im_start|>' + message.role }}"
    "{%- if message.content %}{{ '\\n' + message.content }}{% endif %}"
    "{%- for call in message.tool_calls or [] %}"
    '{{ \'\\n<tool_call>\\n{"name": "\' + call.function.name + \'", "arguments": \' }}'
    "{{ call.function.arguments | tojson }}{{ '}\\n</tool_call>' }}"
    "{%- endfor %}{{ '<|im_end|>\\n' }}{% endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
CALL = ("<tool_call>", '\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n', "</tool_call>")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    folder: Path = tmp_path_factory.mktemp("llamacpp")
    with runtime(folder, engine="llamacpp", model_source=CHAT_MODEL) as process:
        process.wait_for_phase("ready")
        with process.openai() as client:
            yield client


@pytest.mark.parametrize("seed", range(3))
def test_an_answer_fits_the_schema(client: openai.OpenAI, seed: int) -> None:
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "blue"]}, "count": {"type": "integer", "minimum": 1, "maximum": 9}},
        "required": ["colour", "count"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model="m",
        messages=HELLO,
        max_tokens=200,
        seed=seed,
        response_format={"type": "json_schema", "json_schema": {"name": "thing", "schema": schema}},
    )
    thing = json.loads(answer.choices[0].message.content or "")
    assert set(thing) == {"colour", "count"}
    assert thing["colour"] in ("red", "blue")
    assert 1 <= thing["count"] <= 9


def test_an_answer_fits_the_grammar(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="m", messages=HELLO, max_tokens=20, extra_body={"grammar": 'root ::= ("yes" | "no") "!"'}
    )
    assert answer.choices[0].message.content in ("yes!", "no!")


def test_a_written_tool_call_becomes_one_in_the_answer(tmp_path: Path) -> None:
    tool: ChatCompletionToolParam = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    source = f"file://{parrot(tmp_path / 'caller.gguf', CALL, TOOL_TEMPLATE)}"
    with runtime(tmp_path, engine="llamacpp", model_source=source, tasks=("chat",)) as process:
        process.wait_for_phase("ready")
        with process.openai() as client:
            answer = client.chat.completions.create(model="m", messages=HELLO, tools=[tool], max_tokens=50)
    assert answer.choices[0].finish_reason == "tool_calls"
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    (call,) = calls
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Paris"}
