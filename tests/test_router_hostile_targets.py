"""Paths, methods and versions of HTTP that are not the API's: none is guessed at, none reaches an engine."""

import pytest

from tests.fakes.upstream import upstream
from tests.raw_http import HOST, PATH, request, send
from tests.routers import model, running_router

pytestmark = pytest.mark.local

UNKNOWN, METHOD, HTTP = (404, "unknown_path"), (405, "method_not_allowed"), (400, "invalid_http")
TARGETS = {
    b"//v1/chat/completions": UNKNOWN,
    b"/v1//chat/completions": UNKNOWN,
    b"/v1/./chat/completions": UNKNOWN,
    b"/v1/x/../chat/completions": UNKNOWN,
    b"/v1/%2e/chat/completions": UNKNOWN,
    b"/v1/%2e%2e/v1/chat/completions": UNKNOWN,
    b"/v1/chat%2fcompletions": UNKNOWN,
    b"/v1/chat/%63ompletions": UNKNOWN,
    b"/v1/chat/completions%00": UNKNOWN,
    b"/v1/chat/completions/": UNKNOWN,
    b"/v1/chat/completions;a=b": UNKNOWN,
    b"/V1/Chat/Completions": UNKNOWN,
    b"/v1/chat/completions%": UNKNOWN,
    b"/%zz": UNKNOWN,
    b"/" + b"a" * 60_000: UNKNOWN,
    b"*": UNKNOWN,
    b"router:80": HTTP,
    b"v1/chat/completions": HTTP,
    b"": HTTP,
    b"\\v1\\chat\\completions": HTTP,
    b"/v1/chat/completions\xff": HTTP,
    b"/v1/chat/completions\1": HTTP,
    b"/v1/chat completions": HTTP,
    b"/" + b"a" * 70_000: (431, "headers_too_large"),
}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: repr(target)[2:30])
async def test_targets(target: bytes) -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        got = await send(router.router.port, request(target=target))
    assert (got.statuses, got.error["code"]) == ([TARGETS[target][0]], TARGETS[target][1])
    assert engine.requests == []


@pytest.mark.parametrize("target", [b"/tei/%2e%2e/embed", b"/tei//embed", b"/tei/%00/embed", b"/tei/%ff%fe/embed"])
async def test_model_names_in_paths_are_names_only(target: bytes) -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        got = await send(router.router.port, request(target=target))
    assert got.statuses == [404]
    assert engine.requests == []


@pytest.mark.parametrize("query", [b"?", b"???", b"?model=other&key=x", b"?a=%00%ff&a=" + b"b" * 10_000])
async def test_a_query_changes_nothing_and_goes_nowhere(query: bytes) -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        got = await send(router.router.port, request(target=PATH + query))
    assert got.statuses == [200]
    assert [received.line for received in engine.requests] == ["POST /v1/chat/completions HTTP/1.1"]


@pytest.mark.parametrize("scheme", [b"http", b"https"])
async def test_the_absolute_form_is_served_by_its_path(scheme: bytes) -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        got = await send(router.router.port, request(target=scheme + b"://elsewhere.example" + PATH + b"?a=b"))
        other = await send(router.router.port, request(target=scheme + b"://elsewhere.example"))
    assert (got.statuses, other.statuses) == ([200], [404])
    assert [received.line for received in engine.requests] == ["POST /v1/chat/completions HTTP/1.1"]


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"PATCH", b"DELETE", b"TRACE", b"OPTIONS", b"PROPFIND", b"QUERY"])
async def test_methods_of_http(method: bytes) -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        got = await send(router.router.port, request(method=method))
    assert (got.statuses, got.error["code"]) == ([METHOD[0]], METHOD[1])
    assert b"allow: POST" in got.raw
    assert engine.requests == []


@pytest.mark.parametrize(
    "data",
    [
        request(method=b"BREW"),
        request(method=b"post"),
        request(method=b"P OST"),
        b"CONNECT router:443 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /v1/models\r\n\r\n",
        request(version=b"HTTP/0.9"),
        request(version=b"HTTP/1.2"),
        request(version=b"HTTP/2.0"),
        request(version=b"HTTP/11"),
        request(version=b"http/1.1"),
        request(version=b"HTTP/1.1 "),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b" " + request(),
        request().replace(b"POST ", b"POST\t", 1),
    ],
    ids=[
        "unknown method",
        "lower case",
        "two methods",
        "CONNECT",
        "HTTP/0.9",
        "said to be 0.9",
        "1.2",
        "2.0",
        "11",
        "lower case version",
        "blank behind the version",
        "HTTP/2 preface",
        "TLS",
        "blank first",
        "tab",
    ],
)
async def test_what_is_not_http_1_is_refused(data: bytes) -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        got = await send(router.router.port, data, answers=2)
    assert got.statuses == [400], got
    assert got.error["code"] == "invalid_http"
    assert got.closed
    assert engine.requests == []


@pytest.mark.parametrize(
    "fields",
    [
        b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
        b"connection: upgrade\r\nupgrade: websocket\r\n",
    ],
    ids=["h2c, as Java's client asks", "websocket"],
)
async def test_an_upgrade_that_is_not_made_leaves_the_request_as_it_is(fields: bytes) -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        got = await send(router.router.port, request(fields=fields))
    assert got.statuses == [200], got
    assert [received.json["model"] for received in engine.requests] == ["chat-a"]
