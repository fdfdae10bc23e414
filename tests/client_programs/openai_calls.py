"""OpenAI's client: sync and async, streamed and not, the responses API, embeddings, models and errors."""

import asyncio
import json
import os

import openai

place = {"base_url": f"{os.environ['BASE_URL']}/v1", "api_key": os.environ["API_KEY"], "max_retries": 0}
client = openai.OpenAI(**place)
question = {
    "model": "chat",
    "messages": [{"role": "user", "content": "What is Slipway?"}],
    "max_tokens": 24,
    "temperature": 0,
}
answer = client.chat.completions.create(**question)
plain = list(client.chat.completions.create(stream=True, **question))
counted = list(client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **question))


async def asked_later() -> str:
    async with openai.AsyncOpenAI(**place) as later:
        stream = await later.chat.completions.create(stream=True, **question)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


def refused(**fields: object) -> list[object]:
    try:
        client.chat.completions.create(**{**question, **fields})
    except openai.APIStatusError as error:
        return [type(error).__name__, error.code, error.param, error.request_id is not None]
    return []


print(
    json.dumps(
        {
            "text": answer.choices[0].message.content,
            "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in plain),
            "later": asyncio.run(asked_later()),
            "usage_unasked": [chunk.usage is not None for chunk in plain].count(True),
            "tokens": answer.usage.total_tokens,
            "streamed_tokens": counted[-1].usage.total_tokens,
            "completion": client.completions.create(model="chat", prompt="Slipway is", max_tokens=4).choices[0].text,
            "dimensions": len(client.embeddings.create(model="embed", input="a ship").data[0].embedding),
            "models": sorted(model.id for model in client.models.list()),
            "errors": [refused(model="nothing"), refused(temperature=9), refused(model="embed")],
        }
    )
)
