"""LiteLLM as a client: completion, stream, asynchronous completion, embedding, and errors as its exceptions."""

import asyncio
import json
import os

import litellm

place = {"api_base": f"{os.environ['BASE_URL']}/v1", "api_key": os.environ["API_KEY"], "num_retries": 0}
question = {
    "model": "openai/chat",
    "messages": [{"role": "user", "content": "What is Slipway?"}],
    "max_tokens": 24,
    "temperature": 0,
}
answer = litellm.completion(**question, **place)
chunks = list(litellm.completion(**question, stream=True, stream_options={"include_usage": True}, **place))
later = asyncio.run(litellm.acompletion(**question, **place))
vectors = litellm.embedding(model="openai/embed", input=["a harbour", "a ship"], encoding_format="float", **place)
errors = []
for wrong in ({"model": "openai/nothing"}, {"api_key": "sk-slipway-wrong"}):
    try:
        litellm.completion(**{**question, **place, **wrong})
        errors.append("")
    except litellm.exceptions.APIError as refused:
        errors.append(type(refused).__name__)
    except (litellm.exceptions.NotFoundError, litellm.exceptions.AuthenticationError) as refused:
        errors.append(type(refused).__name__)
print(
    json.dumps(
        {
            "text": answer.choices[0].message.content,
            "streamed": "".join(c.choices[0].delta.content or "" for c in chunks if c.choices),
            "later": later.choices[0].message.content,
            "tokens": answer.usage.total_tokens,
            "streamed_tokens": next(c.usage.total_tokens for c in reversed(chunks) if getattr(c, "usage", None)),
            "dimensions": [len(item["embedding"]) for item in vectors.data],
            "errors": errors,
        }
    )
)
