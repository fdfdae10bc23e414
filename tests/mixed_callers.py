"""Callers who mix kinds of requests, leave when they lose patience and have engines fail; and what all of it costs."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.eventually import eventually
from tests.plain_router import PlainRouter
from tests.runtimes import RuntimeProcess

KEYS = {"sk-slipway-one": "team/one", "sk-slipway-two": "team/two", "sk-slipway-three": "default/three"}
MODELS = ("a", "a", "b")
"""Of each engine: two are replicas."""
Tokens = Counter[tuple[str, str, str]]
"""Tokens by key, model and kind."""


@dataclass(frozen=True)
class Ask:
    """One request, and when its caller loses patience."""

    path: str
    body: dict[str, Any]
    leaves_after: int | None = None
    """Events of a stream, or milliseconds for an answer that is no stream; None: the caller stays."""

    @staticmethod
    def any_of(dice: random.Random) -> "Ask":
        """As callers mix them."""
        body: dict[str, Any] = {"model": dice.choice("ab"), "max_tokens": dice.randint(1, 10)}
        words = " ".join(["word"] * dice.randint(1, 9))
        kind = dice.random()
        if kind < 0.2:
            return Ask("/v1/embeddings", {"model": body["model"], "input": words})
        path = "/v1/chat/completions" if kind < 0.75 else "/v1/completions"
        body |= {"messages": [{"role": "user", "content": words}]} if "chat" in path else {"prompt": words}
        stream = body["stream"] = dice.random() < 0.6
        fate = dice.random()
        if fate < 0.05:
            body["dummy"] = {"fail_at_token": dice.randint(0, 6)}
        elif fate < 0.15 and stream:
            body |= {"max_tokens": 400, "dummy": {"tokens_per_second": 1000}}
            return Ask(path, body, dice.randint(0, 30))
        elif fate < 0.18:
            body["dummy"] = {"first_token_seconds": 0.01}
            return Ask(path, body, dice.randint(0, 20))
        elif fate < 0.25 and stream:
            body |= {"max_tokens": 40, "dummy": {"tokens_per_second": 100}}
        return Ask(path, body)


@dataclass
class Callers:
    """Sends requests over kept connections, some at once, until there are no more."""

    port: int
    requests: int
    at_once: int
    name: str = ""
    """Begin of the requests' names, which differs between callers of several routers."""
    dice: random.Random = field(default_factory=lambda: random.Random(5))
    sent: int = 0
    completed: int = 0
    up: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether the router runs."""
    half: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether half of the requests are sent."""

    async def run(self) -> None:
        """Until there are no more."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.at_once):
                group.create_task(self._one())

    async def _one(self) -> None:
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        while self.sent < self.requests:
            await self.up.wait()
            self.sent += 1
            if self.sent == self.requests // 2:
                self.half.set()
            number, ask = self.sent, Ask.any_of(self.dice)
            key = list(KEYS)[number % len(KEYS)]
            try:
                if reader is None or writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                stays = await self._ask(reader, writer, ask, key, f"{number % len(KEYS)}-{self.name}{number}")
            except (OSError, asyncio.IncompleteReadError):
                stays = False
            if stays:
                self.completed += 1
            elif writer is not None:
                await hang_up(writer)
                reader = writer = None
        if writer is not None:
            await hang_up(writer)

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ask: Ask, key: str, name: str
    ) -> bool:
        """Whether the connection can take the next request."""
        body = json.dumps(ask.body).encode()
        head = f"POST {ask.path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nx-request-id: {name}\r\n"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        if ask.leaves_after is not None and not ask.body["stream"]:
            await asyncio.sleep(ask.leaves_after / 1000)
            return False
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"transfer-encoding: chunked" not in answer:
            await reader.readexactly(int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            return True
        chunks = 0
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
            chunks += 1
            if ask.leaves_after is not None and chunks > ask.leaves_after:
                return False
        await reader.readuntil(b"\r\n")
        return True


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection, whatever is under way on it."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def tell(engines: Sequence[RuntimeProcess], what: str) -> None:
    """Have engines ``hold`` what they write, or ``release`` it."""
    with ThreadPoolExecutor(len(engines)) as threads:
        urls = [f"{engine.data_url}/dummy/{what}" for engine in engines]
        assert all(answer.is_success for answer in threads.map(lambda url: httpx2.post(url, timeout=30), urls))


def as_engines_wrote(engines: Sequence[RuntimeProcess]) -> Tokens:
    """What engines have counted of all callers' requests."""
    tokens: Tokens = Counter()
    names = list(KEYS.values())
    for engine in engines:
        for name, count in httpx2.get(f"{engine.data_url}/dummy/ledger", timeout=30).json()["requests"].items():
            key, dash, _ = name.partition("-")
            if dash and key.isdigit():  # Not the warm-up's.
                tokens[names[int(key)], count["model"], "prompt"] += count["prompt_tokens"]
                tokens[names[int(key)], count["model"], "completion"] += count["completion_tokens"]
    return tokens


def as_the_router_says(router: PlainRouter) -> tuple[Tokens, dict[str, int]]:
    """The account as a router tells it, and its totals."""
    answer = router.get("/admin/usage?group_by=key,model").json()
    tokens: Tokens = Counter()
    for line in answer["data"]:
        model = line["model"].removeprefix("default/")
        tokens[line["key"], model, "prompt"] += line["prompt_tokens"]
        tokens[line["key"], model, "completion"] += line["completion_tokens"]
    return tokens, answer["totals"]


def settled(router: PlainRouter) -> None:
    """Wait until engines work on nothing."""
    eventually("no request runs any more", router.in_flight, lambda n: n == 0, within=20)
