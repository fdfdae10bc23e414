"""Middleware: answers browsers that ask before they call, and tells them who may read an answer."""

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from slipway_router.domain.callers.cors import Cors, Preflight


class CorsAnswers:
    """An ASGI application for other origins. Inference calls themselves do not come here, their preflights do."""

    def __init__(self, app: ASGIApp, cors: Cors) -> None:
        self._app = app
        self._cors = cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight; let everything else through with more header fields."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        preflight = self._cors.preflight(scope["method"], headers)
        if preflight is not None:
            await _answer(preflight, send)
            return
        fields = self._cors.fields(headers.get(b"origin"))

        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *fields]
            await send(message)

        await self._app(scope, receive, send_with_fields)


async def _answer(preflight: Preflight, send: Send) -> None:
    status, body, fields = HTTPStatus.NO_CONTENT, b"", list(preflight.headers)
    if preflight.problem is not None:
        status, body = preflight.problem.code.status, preflight.problem.body()
        fields += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})
