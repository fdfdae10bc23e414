"""The admin port: probes and metrics, apart from the data port so that load there cannot fail a probe."""

from collections.abc import Callable
from http import HTTPStatus

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route


def build_admin(registry: CollectorRegistry, not_ready: Callable[[], str]) -> Starlette:
    """``/livez``, ``/readyz``, ``/metrics``. ``not_ready`` says why no traffic should come, or nothing."""

    async def livez(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        why = not_ready()
        return PlainTextResponse(f"{why or 'ok'}\n", HTTPStatus.SERVICE_UNAVAILABLE if why else HTTPStatus.OK)

    async def metrics(request: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)])
