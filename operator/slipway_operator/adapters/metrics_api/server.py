"""The HTTPS server of the custom metrics API."""

import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from aiohttp import web

from slipway_operator.adapters.metrics_api.listener import TlsListener
from slipway_operator.domain.errors import ClusterError
from slipway_operator.domain.metrics_api.documents import ApiError, Document, status
from slipway_operator.domain.metrics_api.identity import FrontProxy, access_review, caller_of
from slipway_operator.domain.metrics_api.queries import ValueQuery, discovery, value_query

_log: Final = logging.getLogger(__name__)
_PROBES: Final = frozenset({"/healthz", "/livez", "/readyz"})
_LONGEST_HEADER: Final = 16 * 1024
_LONGEST_BODY: Final = 1024
_END_SECONDS: Final = 5.0


class Access(Protocol):
    """Who decides what callers may have."""

    async def refusal(self, review: dict[str, Any]) -> str | None:
        """Why a ``SubjectAccessReview`` is refused; None when it is allowed. Raises `ClusterError`."""
        ...


@asynccontextmanager
async def serving_metrics_api(
    host: str,
    port: int,
    context: ssl.SSLContext,
    front_proxy: Callable[[], FrontProxy],
    access: Access,
    answer: Callable[[ValueQuery], Document],
) -> AsyncIterator[int]:
    """Serve while the context lasts; gives the port, which matters when ``port`` is 0.

    Raises:
        OSError: the port is taken.
    """
    app = web.Application(client_max_size=_LONGEST_BODY)
    app.router.add_route("*", "/{path:.*}", _Handler(front_proxy, access, answer).handle)
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=_END_SECONDS,
        max_line_size=_LONGEST_HEADER,
        max_field_size=_LONGEST_HEADER,
    )
    await runner.setup()
    assert runner.server is not None
    listener: TlsListener | None = None
    try:
        listener = TlsListener(host, port, context, runner.server)
        async with listener.accepting():
            yield listener.port
    finally:
        # Requests that are at work get their answers first.
        await runner.cleanup()
        if listener is not None:
            await listener.end()


class _Handler:
    def __init__(
        self,
        front_proxy: Callable[[], FrontProxy],
        access: Access,
        answer: Callable[[ValueQuery], Document],
    ) -> None:
        self._front_proxy = front_proxy
        self._access = access
        self._answer = answer

    async def handle(self, request: web.Request) -> web.Response:
        """Any request."""
        return await _as_status(self._served(request))

    async def _served(self, request: web.Request) -> web.Response:
        path = request.rel_url.raw_path
        if path in _PROBES:
            return web.Response(text="ok")
        headers = [(str(name), value) for name, value in request.headers.items()]
        caller = caller_of(self._front_proxy(), _common_name(request), headers)
        query = value_query(path, request.query)
        refusal = await self._access.refusal(access_review(caller, path, query))
        if refusal is not None:
            words = f'user "{caller.user}" may not get {path}'
            raise ApiError(403, "Forbidden", f"{words}: {refusal}" if refusal else words)
        if request.method not in ("GET", "HEAD"):
            raise ApiError(405, "MethodNotAllowed", f"{request.method} is not served; metrics are only read")
        document = self._answer(query) if query is not None else discovery(path)
        if document is None:
            raise ApiError(404, "NotFound", f"{path} is not served")
        return web.json_response(document)


def _common_name(request: web.Request) -> str | None:
    """That of the client certificate, which TLS has verified; None without one."""
    certificate = request.get_extra_info("peercert")
    if not certificate:
        return None
    return next((value for parts in certificate["subject"] for name, value in parts if name == "commonName"), "")


async def _as_status(served: Awaitable[web.Response]) -> web.Response:
    try:
        return await served
    except ApiError as error:
        refused = error
    except ClusterError as error:
        _log.warning("cannot review access to the metrics API: %s", error)
        refused = ApiError(503, "ServiceUnavailable", "access cannot be reviewed: the API server does not answer")
    return web.json_response(status(refused), status=refused.code)
