"""The operator's question to a runtime over real HTTP: what a pod answers is bounded and checked."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from slipway_operator.adapters.runtime_states import asking_runtimes
from slipway_operator.domain.devices import DeviceReport


def asked(status: int, body: bytes) -> DeviceReport | None:
    """The report of a runtime that answers ``GET /state`` so."""

    async def state(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers={"Location": "/state"})

    async def main() -> DeviceReport | None:
        app = web.Application()
        app.router.add_get("/state", state)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port: int = runner.addresses[0][1]
        try:
            async with asking_runtimes(port) as runtimes:
                return await runtimes.device("127.0.0.1")
        finally:
            await runner.cleanup()

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("state", "report"),
    [
        ({"device": "cuda", "deviceFallback": None}, DeviceReport("cuda")),
        ({"device": "cpu", "deviceFallback": "no driver\n found "}, DeviceReport("cpu", "no driver found")),
        ({"device": "cpu", "deviceFallback": "x" * 9999}, DeviceReport("cpu", "x" * 512)),
        ({"device": "toaster"}, DeviceReport()),
        ({"device": ["cpu"], "deviceFallback": 7}, DeviceReport()),
        ({}, DeviceReport()),
        ([], None),
    ],
)
def test_what_is_taken_of_an_answer(state: Any, report: DeviceReport | None) -> None:
    assert asked(200, json.dumps(state).encode()) == report


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b"{}"),
        (500, b"{}"),
        (302, b"{}"),
        (200, b"not JSON"),
        (200, b"\xff"),
        (200, b'"' + b"x" * 70_000 + b'"'),
        (200, b"[" * 60_000),
    ],
)
def test_anything_else_is_no_answer(status: int, body: bytes) -> None:
    assert asked(status, body) is None


def test_nobody_there_is_no_answer() -> None:
    async def main() -> DeviceReport | None:
        async with asking_runtimes(1) as runtimes:
            return await runtimes.device("127.0.0.1")

    assert asyncio.run(main()) is None
