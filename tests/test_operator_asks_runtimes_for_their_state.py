"""The operator's question to a runtime over real HTTP: what a pod answers is bounded and checked."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from slipway_operator.adapters.runtime_states import asking_runtimes
from slipway_operator.domain.devices import DeviceReport
from slipway_operator.domain.runtime_state import RuntimeState


def asked(status: int, body: bytes) -> RuntimeState | None:
    """What is taken of the answer of a runtime that answers ``GET /state`` so."""

    async def state(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers={"Location": "/state"})

    async def main() -> RuntimeState | None:
        app = web.Application()
        app.router.add_get("/state", state)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port: int = runner.addresses[0][1]
        try:
            async with asking_runtimes(port) as runtimes:
                return await runtimes.state("127.0.0.1")
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
    ],
)
def test_what_is_taken_of_an_answer_about_the_device(state: Any, report: DeviceReport) -> None:
    assert asked(200, json.dumps(state).encode()) == RuntimeState(report)


@pytest.mark.parametrize(
    ("state", "phase", "seconds"),
    [
        (
            {"phase": "loading", "phaseSeconds": {"fetching": 3, "loading": 0.5}},
            "loading",
            {"fetching": 3, "loading": 0.5},
        ),
        ({"phase": "ready", "phaseSeconds": {"ready": 9, "fetching": 1}}, "ready", {"fetching": 1}),
        ({"phase": "napping", "phaseSeconds": []}, "", {}),
        ({"phase": ["loading"]}, "", {}),
        ({"phaseSeconds": {"fetching": -1, "loading": True, "warming": "3"}}, "", {}),
        ({"phaseSeconds": {"fetching": float("nan"), "loading": float("inf"), "warming": 1e300}}, "", {}),
    ],
)
def test_what_is_taken_of_an_answer_about_the_start(state: Any, phase: str, seconds: dict[str, float]) -> None:
    assert asked(200, json.dumps(state).encode()) == RuntimeState(phase=phase, seconds=seconds)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b"{}"),
        (200, b"[]"),
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
    async def main() -> RuntimeState | None:
        async with asking_runtimes(1) as runtimes:
            return await runtimes.state("127.0.0.1")

    assert asyncio.run(main()) is None
