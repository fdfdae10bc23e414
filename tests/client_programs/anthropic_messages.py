"""Anthropic's client: a message, a stream, and an error."""

import json
import os

import anthropic

client = anthropic.Anthropic(base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"], max_retries=0)
question = {"max_tokens": 24, "messages": [{"role": "user", "content": "What is Slipway?"}]}
message = client.messages.create(model="chat", extra_body={"temperature": 0}, **question)
with client.messages.stream(model="chat", extra_body={"temperature": 0}, **question) as stream:
    streamed = "".join(stream.text_stream)
    usage = stream.get_final_message().usage
try:
    client.messages.create(model="nothing", **question)
    error = ""
except anthropic.NotFoundError as refused:
    error = refused.body["error"]["type"]
print(
    json.dumps(
        {
            "text": message.content[0].text,
            "streamed": streamed,
            "tokens": [message.usage.input_tokens, message.usage.output_tokens],
            "streamed_tokens": [usage.input_tokens, usage.output_tokens],
            "error": error,
        }
    )
)
