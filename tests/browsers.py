"""A real browser without a screen: Chromium, told what to do by its DevTools protocol.

Source of the protocol: https://chromedevtools.github.io/devtools-protocol/
"""

import asyncio
import itertools
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.cluster.debian import Package, ensure
from tests.cluster.progress import Progress
from tests.eventually import eventually

_PROGRAM = "/usr/lib/chromium/chromium-headless-shell"
"""The browser itself: what stands in the path is a script that starts it."""
_START_SECONDS = 30.0
_END_SECONDS = 10.0
_LARGEST_MESSAGE = 64 * 1024 * 1024


class Page:
    """A page of the browser, and what has happened on it."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._session: dict[str, str] = {}
        self.requests: list[str] = []
        """URLs that were asked for."""
        self.complaints: list[str] = []
        """Requests that failed, exceptions of scripts, and what else the browser's console tells as an error."""

    async def open(self, url: str) -> None:
        """Begin to load ``url``; call once."""
        target = await self._call("Target.createTarget", url="about:blank")
        attached = await self._call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Network", "Log", "Runtime", "Page"):
            await self._call(f"{domain}.enable")
        await self._call("Page.navigate", url=url)

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        answer = await self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    async def listen(self) -> None:
        """Take what the browser says, until it ends."""
        async for text in self._connection:
            message = json.loads(text)
            if "id" in message:
                self._answers.pop(message["id"]).set_result(message)
            else:
                self._note(message["method"], message.get("params", {}))

    def _note(self, event: str, facts: dict[str, Any]) -> None:
        match event:
            case "Network.requestWillBeSent":
                self.requests.append(facts["request"]["url"])
            case "Network.loadingFailed":
                self.complaints.append(facts["errorText"])
            case "Network.responseReceived" if facts["response"]["status"] >= 400:
                self.complaints.append(f"{facts['response']['status']} {facts['response']['url']}")
            case "Log.entryAdded" if facts["entry"]["level"] == "error":
                self.complaints.append(facts["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(facts["exceptionDetails"]))

    async def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._connection.send(json.dumps({"id": number, "method": method, "params": parameters, **self._session}))
        message = await asyncio.wait_for(answer, _START_SECONDS)
        result: dict[str, Any] = message["result"]
        return result


@asynccontextmanager
async def browser_page(folder: Path) -> AsyncIterator[Page]:
    """A page of a browser of its own, which keeps its files in ``folder``."""
    with _browser(folder) as address:
        async with connect(address, max_size=_LARGEST_MESSAGE) as connection:
            page = Page(connection)
            listening = asyncio.create_task(page.listen())
            try:
                yield page
            finally:
                listening.cancel()
                await asyncio.wait({listening})


@contextmanager
def _browser(folder: Path) -> Iterator[str]:
    ensure((Package("chromium-headless-shell", _PROGRAM),), Progress())
    address = folder / "DevToolsActivePort"
    # Root may not have its sandbox. It asks nobody by itself, so that what is asked is the page's doing.
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            [_PROGRAM, *options, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        said = eventually(
            "the browser listens",
            lambda: address.read_text().split() if address.exists() else [],
            lambda words: len(words) == 2,
            within=_START_SECONDS,
        )
        yield f"ws://127.0.0.1:{said[0]}{said[1]}"
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_END_SECONDS)
