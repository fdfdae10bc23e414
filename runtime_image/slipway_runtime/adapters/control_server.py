"""The control port: health, state, metrics, drain."""

from collections.abc import Callable
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from slipway_runtime.adapters.http_server import QuietServer, make_server
from slipway_runtime.domain.phases import Phase
from slipway_runtime.domain.state import StateReport


class Shown(Protocol):
    """What the control port shows."""

    @property
    def phase(self) -> Phase:
        """The phase now."""

    async def report(self) -> StateReport:
        """The whole state now, which may take a question to the engine."""

    async def metrics(self) -> str:
        """Prometheus text: the engine's metrics and the runtime's."""


def control_server(shown: Shown, begin_drain: Callable[[], None]) -> QuietServer:
    """The server of the control port, to be run in the supervisor's loop. Probes never wait for the engine."""

    async def livez(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        phase = shown.phase
        return JSONResponse({"phase": phase.value}, 200 if phase is Phase.READY else 503)

    async def state(_: Request) -> Response:
        return JSONResponse((await shown.report()).to_dict())

    async def metrics(_: Request) -> Response:
        return Response(await shown.metrics(), media_type="text/plain; version=0.0.4")

    async def drain(_: Request) -> Response:
        begin_drain()
        return JSONResponse({"phase": Phase.DRAINING.value}, 202)

    routes = [
        Route("/livez", livez),
        Route("/readyz", readyz),
        Route("/state", state),
        Route("/metrics", metrics),
        Route("/drain", drain, methods=["POST"]),
    ]
    return make_server(Starlette(routes=routes))
