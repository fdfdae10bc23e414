"""The account equals what engines really wrote, to the token: whatever callers, engines and the router's end do."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.eventually import eventually
from tests.plain_router import PlainRouter, Setup, plain_router
from tests.runtimes import RuntimeProcess, runtime

pytestmark = [pytest.mark.local, pytest.mark.timeout(300)]
REQUESTS = 10_000
AT_ONCE = 32
KEYS = {"sk-slipway-one": "team/one", "sk-slipway-two": "team/two", "sk-slipway-three": "default/three"}
MODELS = ("a", "a", "b")
"""Of each engine: two are replicas."""
Tokens = Counter[tuple[str, str, str]]
"""Tokens by key, model and kind."""


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RuntimeProcess]]:
    with ExitStack() as running:
        made = []
        for number, model in enumerate(MODELS):
            folder = tmp_path_factory.mktemp(f"engine-{number}")
            made.append(running.enter_context(runtime(folder, model_name=model)))
        for engine in made:
            engine.wait_for_phase("ready")
        yield made


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
    dice: random.Random = field(default_factory=lambda: random.Random(5))
    sent: int = 0
    completed: int = 0
    up: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether the router runs."""
    half: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether half of the requests are sent."""

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._one())

    async def _one(self) -> None:
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        while self.sent < REQUESTS:
            await self.up.wait()
            self.sent += 1
            if self.sent == REQUESTS // 2:
                self.half.set()
            number, ask = self.sent, Ask.any_of(self.dice)
            key = list(KEYS)[number % len(KEYS)]
            try:
                if reader is None or writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                stays = await self._ask(reader, writer, ask, key, f"{number % len(KEYS)}-{number}")
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
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def tell(engines: list[RuntimeProcess], what: str) -> None:
    with ThreadPoolExecutor(len(engines)) as threads:
        urls = [f"{engine.data_url}/dummy/{what}" for engine in engines]
        assert all(answer.is_success for answer in threads.map(lambda url: httpx2.post(url, timeout=30), urls))


def as_engines_wrote(engines: list[RuntimeProcess]) -> Tokens:
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
    answer = router.get("/admin/usage?group_by=key,model").json()
    tokens: Tokens = Counter()
    for line in answer["data"]:
        model = line["model"].removeprefix("default/")
        tokens[line["key"], model, "prompt"] += line["prompt_tokens"]
        tokens[line["key"], model, "completion"] += line["completion_tokens"]
    return tokens, answer["totals"]


async def kill_in_the_middle(callers: Callers, router: PlainRouter, engines: list[RuntimeProcess]) -> None:
    """Kill the router while requests run, at a moment at which nothing is between it and the engines.

    What an engine has written, but the router not yet read, can be in no account once the router is killed. So engines
    are told to hold first: when they have answered, all that they have counted lies in the router's sockets. The router
    reads those before it answers the second of two requests that come after, for its event loop has then gone round
    once. Held engines see the connections end before they may write again.
    """
    await callers.half.wait()
    await asyncio.to_thread(tell, engines, "hold")
    callers.up.clear()
    for _ in range(2):
        assert (await asyncio.to_thread(router.get, "/health")).is_success
    await asyncio.to_thread(router.kill)
    await asyncio.to_thread(tell, engines, "release")


def settled(router: PlainRouter) -> None:
    eventually("no request runs any more", router.in_flight, lambda n: n == 0, within=20)


async def test_to_the_token(engines: list[RuntimeProcess], tmp_path: Path) -> None:
    ports: dict[str, list[int]] = {}
    for engine in engines:
        ports.setdefault(engine.env.model_name, []).append(engine.env.data_port)
    setup = Setup(ports, KEYS, str(tmp_path / "ledger"))
    log = tmp_path / "router.log"
    callers = Callers(setup.port)
    running = asyncio.create_task(callers.run())
    with plain_router(setup, log) as first:
        callers.up.set()
        await kill_in_the_middle(callers, first, engines)
    with plain_router(setup, log) as second:
        callers.up.set()
        await running
        await asyncio.to_thread(settled, second)
        counted, totals = await asyncio.to_thread(as_the_router_says, second)
    written = as_engines_wrote(engines)
    assert counted == written
    assert len(written) == 2 * len(KEYS) * len(set(MODELS))
    assert callers.completed > REQUESTS * 0.7
    assert totals["aborted"] > REQUESTS * 0.05
    assert totals["errors"] > REQUESTS * 0.005
    assert "streams that were running when the last router ended" in log.read_text()
