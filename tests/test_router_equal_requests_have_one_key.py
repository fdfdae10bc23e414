"""Requests of which an engine gets the same are equal, whatever they look like; all others are not."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from slipway_crds.engines import Task
from slipway_router.domain.api.routes import BY_PATH
from slipway_router.domain.callers.keys import Caller
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.models.catalogue import Model
from slipway_router.domain.requests.caching import answer_key, is_whole, may_keep, may_look
from slipway_router.domain.requests.parameters import set_parameters
from slipway_router.domain.requests.parsing import parse_call
from slipway_router.domain.requests.policy import CachePolicy, RequestPolicy

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
PRIVATE = CachePolicy(60, False, None, "1")
ANN = Caller("default/ann")


def key(
    fields: Any,
    path: str = CHAT,
    *,
    caller: Caller = ANN,
    cache: CachePolicy = PRIVATE,
    policy: RequestPolicy | None = None,
    headers: dict[bytes, bytes] | None = None,
    indent: int | None = None,
) -> bytes | None:
    body = json.dumps({"model": "m", **fields}, indent=indent).encode()
    exchange = Exchange(BY_PATH[path.encode()], headers or {}, "", "r", 0.0, body)
    exchange.caller = caller
    parse_call(exchange)
    exchange.model = Model("m", ("m",), frozenset({Task.CHAT}), requests=policy or RequestPolicy())
    set_parameters(exchange)
    return answer_key(exchange, cache)


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from("abcdef"), VALUE), st.randoms(), st.sampled_from([None, 2]))
def test_the_order_of_fields_and_white_space_do_not_matter(sent: dict[str, Any], random: Any, indent: int) -> None:
    shuffled = list(sent.items())
    random.shuffle(shuffled)
    first = key({"temperature": 0, **sent})
    assert first is not None
    assert key({**dict(shuffled), "user": "ann", "temperature": 0.0}, indent=indent) == first


@given(st.dictionaries(st.sampled_from("abc"), VALUE), st.dictionaries(st.sampled_from("abc"), VALUE))
def test_any_other_difference_does(one: dict[str, Any], other: dict[str, Any]) -> None:
    assume(json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True))
    assert key({"temperature": 0, **one}) != key({"temperature": 0, **other})


def test_what_engines_get_counts() -> None:
    limited = RequestPolicy(max_tokens=10, default_max_tokens=10)
    said = key({"temperature": 0, "max_tokens": 10}, policy=limited)
    assert said == key({"temperature": 0, "max_tokens": 99}, policy=limited) == key({"temperature": 0}, policy=limited)
    assert said != key({"temperature": 0, "max_tokens": 9}, policy=limited)


def test_callers_without_a_key_are_told_apart_by_their_address() -> None:
    strangers = [Caller("anonymous", bucket=f"ip:192.0.2.{number}") for number in (1, 2)]
    first, second = (key({"temperature": 0}, caller=stranger) for stranger in strangers)
    assert first != second
    shared = replace(PRIVATE, shared=True)
    first, second = (key({"temperature": 0}, caller=stranger, cache=shared) for stranger in strangers)
    assert first == second is not None


def test_a_key_that_is_made_anew_under_an_old_name_is_another_caller() -> None:
    first, second = (key({"temperature": 0}, caller=Caller("default/ann", uid=uid)) for uid in ("1", "2"))
    assert first != second


def test_header_fields_that_change_an_api_count() -> None:
    fields = {"temperature": 0, "max_tokens": 5}
    plain = key(fields, MESSAGES)
    assert plain == key(fields, MESSAGES, headers={b"accept": b"*/*", b"traceparent": b"00-1-1-00"})
    assert plain != key(fields, MESSAGES, headers={b"anthropic-beta": b"thinking"})


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (CHAT, {"temperature": 0, "x": "y" * 1024 * 1024}),
        (CHAT, {"temperature": 0, "x": 10**400}),
        (CHAT, {"temperature": 0, "tools": 7}),
        (MESSAGES, {"temperature": 0, "tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
        (MESSAGES, {"temperature": 0, "mcp_servers": [{"url": "https://example.com"}]}),
        (RESPONSES, {"temperature": 0, "previous_response_id": "resp_1"}),
        (RESPONSES, {"temperature": 0, "prompt": {"id": "pmpt_1"}}),
        (RESPONSES, {"temperature": 0, "background": True}),
        ("/v1/images/generations", {"prompt": "x", "seed": 1}),
    ],
)
def test_some_have_none(path: str, fields: dict[str, Any]) -> None:
    assert key(fields, path) is None


@pytest.mark.parametrize(
    ("wish", "look", "keep"),
    [
        (None, True, True),
        (b"no-cache", False, True),
        (b"max-age=0, No-Store", False, False),
        (b"max-age=600", True, True),
    ],
)
def test_what_callers_wish(wish: bytes | None, look: bool, keep: bool) -> None:
    headers = {b"cache-control": wish} if wish is not None else {}
    assert (may_look(headers), may_keep(headers)) == (look, keep)


@pytest.mark.parametrize(
    ("path", "stream", "body", "whole"),
    [
        (CHAT, True, b'data: {"choices":[]}\n\ndata: [DONE]\n\n', True),
        (CHAT, True, b'data: {"choices":[]}\n\n', False),
        (CHAT, True, b'data: {"error": {}}\n\ndata: [DONE]\n\n', False),
        (CHAT, True, b'data: {"choices":[{"delta":{"content":"event: error"}}]}\n\ndata: [DONE]\n\n', True),
        (CHAT, False, b'{"choices":[]}', True),
        (MESSAGES, True, b"event: message_stop\ndata: {}\n\n", True),
        (MESSAGES, True, b"event: ping\ndata: {}\n\nevent: error\ndata: {}\n\n", False),
        (RESPONSES, False, b'{"status": "completed"}', True),
        (RESPONSES, False, b'{"status": "failed"}', False),
        (RESPONSES, True, b"event: response.failed\ndata: {}\n\n", False),
    ],
)
def test_which_answers_are_whole(path: str, stream: bool, body: bytes, whole: bool) -> None:
    assert is_whole(body, stream, BY_PATH[path.encode()].operation) is whole
