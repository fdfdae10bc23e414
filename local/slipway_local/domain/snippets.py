"""What a newcomer copies: commands that work as they stand."""

import json
from collections.abc import Iterable

from slipway_crds.engines import Task
from slipway_local.domain.world import LocalModel

_QUESTION = "What is Slipway?"


def snippets(base_url: str, key: str, models: Iterable[LocalModel]) -> str:
    """A ``curl`` command and a Python program for the first model of each task; ``base_url`` ends in ``/v1``."""
    names = _first_by_task(models)
    chat, embeddings = names.get(Task.CHAT), names.get(Task.EMBEDDINGS)
    parts = []
    if chat is not None:
        body = {"model": chat, "messages": [{"role": "user", "content": _QUESTION}]}
        parts.append(_curl(f"{base_url}/chat/completions", key, body))
    elif embeddings is not None:
        parts.append(_curl(f"{base_url}/embeddings", key, {"model": embeddings, "input": _QUESTION}))
    if chat is not None or embeddings is not None:
        parts.append(_python(base_url, key, chat, embeddings))
    return "\n\n".join(parts)


def _first_by_task(models: Iterable[LocalModel]) -> dict[Task, str]:
    names: dict[Task, str] = {}
    for model in models:
        if model.blocked is None:
            for task in model.launch.tasks:
                names.setdefault(task, model.launch.served_names[0])
    return names


def _curl(url: str, key: str, body: object) -> str:
    return (
        f"curl {url} \\\n"
        f"  -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\\n"
        f"  -d '{json.dumps(body)}'"
    )


def _python(base_url: str, key: str, chat: str | None, embeddings: str | None) -> str:
    lines = [
        "from openai import OpenAI",
        f'client = OpenAI(base_url="{base_url}", api_key="{key}")',
    ]
    if chat is not None:
        message = f'{{"role": "user", "content": "{_QUESTION}"}}'
        lines.append(f'answer = client.chat.completions.create(model="{chat}", messages=[{message}])')
        lines.append("print(answer.choices[0].message.content)")
    if embeddings is not None:
        lines.append(f'vector = client.embeddings.create(model="{embeddings}", input="{_QUESTION}").data[0].embedding')
        lines.append("print(len(vector))")
    return "\n".join(lines)
