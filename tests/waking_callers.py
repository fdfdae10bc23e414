"""Many callers of one model at once, over one connection each, and what each of them got."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx2

_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class Answer:
    """What one caller got."""

    status: int
    streamed: bool
    seconds: float
    tokens: int = 0
    phases: tuple[str, ...] = ()
    """Told by comments while the model woke, in their order."""
    complete: bool = False
    text: str = ""
    """Of an answer that was not what the caller wanted."""


@dataclass
class Callers:
    """Callers of one router."""

    url: str
    key: str
    answers: list[Answer] = field(default_factory=list)

    async def all_at_once(self, model: str, count: int, tokens: int = 5) -> list[Answer]:
        """``count`` requests, every second one of them streamed."""
        limits = httpx2.Limits(max_connections=None)
        # Without TLS there is nothing to verify; to read the system's certificates would take longer than a wake.
        async with httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS, limits=limits, trust_env=False, verify=False) as client:
            calls = [self._call(client, model, tokens, streamed=number % 2 == 0) for number in range(count)]
            return list(await asyncio.gather(*calls))

    async def _call(self, client: httpx2.AsyncClient, model: str, tokens: int, *, streamed: bool) -> Answer:
        began = time.monotonic()
        body = {"model": model, "messages": [{"role": "user", "content": "go"}], "max_tokens": tokens}
        headers = {"authorization": f"Bearer {self.key}"}
        url = f"{self.url}/v1/chat/completions"
        try:
            if not streamed:
                answer = await client.post(url, headers=headers, json=body)
                count = answer.json().get("usage", {}).get("completion_tokens", 0)
                complete = answer.is_success and count == tokens
                text = "" if complete else answer.text[:500]
                return Answer(answer.status_code, False, time.monotonic() - began, count, complete=complete, text=text)
            async with client.stream("POST", url, headers=headers, json=body | {"stream": True}) as answer:
                lines = [line async for line in answer.aiter_lines() if line]
        except httpx2.HTTPError as error:
            return Answer(0, streamed, time.monotonic() - began, text=repr(error))
        return _streamed(answer.status_code, lines, tokens, time.monotonic() - began)


def _streamed(status: int, lines: list[str], tokens: int, seconds: float) -> Answer:
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    texts = [choice["delta"].get("content") for event in events for choice in event.get("choices", ())]
    count = len([text for text in texts if text])
    complete = status == 200 and count == tokens and lines[-1] == "data: [DONE]"
    text = "" if complete else "\n".join(lines)[-500:]
    return Answer(status, True, seconds, count, _phases(lines), complete, text)


def _phases(lines: Iterable[str]) -> tuple[str, ...]:
    told = [line.partition("phase=")[2].split()[0] for line in lines if line.startswith(": slipway phase=")]
    return tuple(dict.fromkeys(told))


def outcomes(answers: Iterable[Answer]) -> Counter[str]:
    """How many answers were complete, and what the others were."""
    return Counter("complete" if answer.complete else f"{answer.status}: {answer.text}" for answer in answers)
