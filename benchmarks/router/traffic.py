"""What is asked of every contender."""

import json
from typing import Final

KEY: Final = "sk-bench-0123456789abcdef0123456789abcdef"
MODEL: Final = "bench-model"
PATH: Final = "/v1/chat/completions"
CHUNKS: Final = 64
"""Chunks of one stream."""
PACE_SECONDS: Final = 0.01
"""Time between two chunks of a stream."""

_QUESTION: Final = "Explain what a model router does between its callers and several inference servers. " * 10
ANSWER: Final = json.dumps(
    {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1700000000,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "It forwards each request to one of them. " * 4},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 212, "completion_tokens": 25, "total_tokens": 237},
    }
)


def body(stream: bool) -> bytes:
    """A chat request of about 1 KiB."""
    messages = [{"role": "user", "content": _QUESTION}]
    return json.dumps({"model": MODEL, "messages": messages, "stream": stream, "max_tokens": CHUNKS}).encode()


def request(port: int) -> bytes:
    """A streamed chat request as it stands on the wire."""
    content = body(stream=True)
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: application/json\r\naccept: text/event-stream\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content
