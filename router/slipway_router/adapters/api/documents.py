"""The API, described: its OpenAPI document, and Swagger UI from the installed package, without any other host."""

from importlib.resources import files
from typing import Any, Final

import orjson
from starlette.responses import HTMLResponse, Response

from slipway_router.adapters.api.dispatch import Call, Handlers
from slipway_router.domain.errors import ErrorCode, fail

_ASSETS: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
    "start.js": "text/javascript",
}
_START: Final = b"""\
window.addEventListener("load", () => {
  SwaggerUIBundle({ url: "/openapi.json", dom_id: "#ui", deepLinking: true, validatorUrl: null });
});
"""
_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Slipway API</title>
<link rel="icon" href="/docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<div id="ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/start.js"></script>
</body>
</html>
"""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content security policy of the page. Swagger UI sets styles of elements, which needs ``unsafe-inline`` for them."""
_GUARD: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_KEEP: Final = {"cache-control": "public, max-age=3600", "x-content-type-options": "nosniff"}


class DocumentsApi:
    """``/openapi.json``, ``/docs`` and its files."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = orjson.dumps(document)
        folder = files("swagger_ui") / "static"
        self._assets = {name: (folder / name).read_bytes() for name in _ASSETS if name != "start.js"}
        self._assets["start.js"] = _START

    def handlers(self) -> Handlers:
        """By the entry's name."""
        return {"openapi": self._openapi, "docs": self._docs, "docs_asset": self._asset}

    async def _openapi(self, call: Call) -> Response:
        return Response(self._document, media_type="application/json")

    async def _docs(self, call: Call) -> Response:
        return HTMLResponse(_PAGE, headers=_GUARD)

    async def _asset(self, call: Call) -> Response:
        name = call.path("file")
        content = self._assets.get(name)
        if content is None:
            raise fail(ErrorCode.UNKNOWN_PATH, f"There is no file '{name}' here.")
        return Response(content, media_type=_ASSETS[name], headers=_KEEP)
