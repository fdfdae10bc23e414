"""The admin port: /livez, /readyz and /metrics."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from slipway_operator.adapters.metrics import Metrics


@asynccontextmanager
async def serving_health(host: str, port: int, metrics: Metrics, ready: Callable[[], bool]) -> AsyncIterator[int]:
    """Serve while the context lasts; gives the port, which matters when ``port`` is 0.

    Raises:
        OSError: the port is taken.
    """

    async def readiness(_: web.Request) -> web.Response:
        known = ready()
        return web.json_response({"status": "ok" if known else "starting"}, status=200 if known else 503)

    async def samples(_: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": metrics.content_type})

    app = web.Application()
    app.add_routes([web.get("/livez", _liveness), web.get("/readyz", readiness), web.get("/metrics", samples)])
    runner = web.AppRunner(app, access_log=None, handle_signals=False, keepalive_timeout=15)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _liveness(_: web.Request) -> web.Response:
    # That the event loop comes to answer is what there is to know: every request to the API server has a deadline.
    return web.json_response({"status": "ok"})
