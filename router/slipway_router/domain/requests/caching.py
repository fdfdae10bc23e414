"""Which answers may be given again, and to which requests.

A request is repeatable if its answer can only be the same: what an embedding or ranking model says, and a text that is
not drawn by chance. Two requests are equal if an engine gets the same of them, whatever the order and spelling.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from slipway_crds.engines import Operation
from slipway_router.domain.api.routes import ENGINE_HEADERS
from slipway_router.domain.exchange import Exchange, Fields
from slipway_router.domain.requests.calls import Generation
from slipway_router.domain.requests.policy import CachePolicy

MAX_REQUEST_BYTES: Final = 1024 * 1024
"""Larger requests are not looked at: to read and hash them would hold up all others."""
_ALWAYS: Final = frozenset(
    {
        Operation.EMBEDDINGS,
        Operation.RERANK,
        Operation.CLASSIFY,
        Operation.POOLING,
        Operation.TOKENIZE,
        Operation.DETOKENIZE,
        *(operation for operation in Operation if operation.startswith("tei_") and operation != Operation.TEI_INFO),
    }
)
_ELSEWHERE: Final = (
    "previous_response_id",
    "conversation",
    "background",
    "store",
    "web_search_options",
    "mcp_servers",
    "container",
)
"""Fields by which the answer depends on, or changes, something that is not in the request."""
_CALLERS_TOOLS: Final = (None, "function", "custom")
"""Types of tools that the caller runs, not whoever answers."""
_FAILED: Final = re.compile(rb'"status"\s*:\s*"failed"')
_FAILED_EVENT: Final = re.compile(rb'(?:^|\n)(?:data: *\{ *"error"|event: *(?:error|response\.failed))')
_DONE: Final = b"data: [DONE]"
_NO_STORE: Final = b"no-store"
_NO_CACHE: Final = b"no-cache"


def may_look(headers: Fields) -> bool:
    """Whether the caller takes a kept answer."""
    wish = headers.get(b"cache-control")
    return wish is None or not (_NO_STORE in wish.lower() or _NO_CACHE in wish.lower())


def may_keep(headers: Fields) -> bool:
    """Whether the answer may be kept."""
    wish = headers.get(b"cache-control")
    return wish is None or _NO_STORE not in wish.lower()


def answer_key(exchange: Exchange, cache: CachePolicy) -> bytes | None:
    """What equal requests have in common (SHA-256); None for one whose answer may differ the next time."""
    model, caller, operation = exchange.model, exchange.caller, exchange.route.operation
    if model is None or caller is None or len(exchange.body) > MAX_REQUEST_BYTES:
        return None
    writes = isinstance(exchange.call, Generation)
    if not (_may_repeat(exchange.call, exchange.edits) if writes else operation in _ALWAYS):
        return None
    try:
        content = orjson.loads(exchange.body)
        if not isinstance(content, dict):
            return None
        content |= {name: orjson.loads(value) for name, value in exchange.edits.items()}
        if writes and not _repeats(content):
            return None
        canonical = orjson.dumps(_normal(content), option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    who = "" if cache.shared else caller.identity
    about = [model.key, cache.identity, exchange.route.name, exchange.model_name, who]
    about += [
        exchange.headers.get(name, b"").decode("latin-1") for name in exchange.route.headers[len(ENGINE_HEADERS) :]
    ]
    return hashlib.sha256(orjson.dumps(about) + canonical).digest()


def _may_repeat(call: Any, edits: Mapping[str, bytes]) -> bool:
    """Spares the others the closer look."""
    return (
        call.temperature == 0
        or call.top_k == 1
        or isinstance(call.seed, int)
        or "temperature" in edits
        or "top_k" in edits
    )


def _repeats(content: Mapping[str, Any]) -> bool:
    """Whether a call for text has one possible answer, which nothing outside of it decides."""
    drawn = content.get("temperature") != 0 and content.get("top_k") != 1 and content.get("seed") is None
    if drawn or content.get("n", 1) not in (None, 1) or any(content.get(name) for name in _ELSEWHERE):
        return False
    if isinstance(content.get("prompt"), dict):  # A template that the provider keeps.
        return False
    tools = content.get("tools") or ()
    return isinstance(tools, list | tuple) and all(
        isinstance(tool, dict) and tool.get("type") in _CALLERS_TOOLS for tool in tools
    )


def _normal(content: dict[str, Any]) -> dict[str, Any]:
    """Without the end user's name, which changes no answer; ``0.0`` as ``0``."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in content.items()
        if name != "user"
    }


def is_whole(body: bytes, stream: bool, operation: Operation) -> bool:
    """Whether a complete answer is what was asked for: engines report failures in the middle of streams."""
    if not stream:
        return operation is not Operation.RESPONSES or _FAILED.search(body) is None
    if operation in (Operation.CHAT_COMPLETIONS, Operation.COMPLETIONS) and _DONE not in body[-64:]:
        return False
    return _FAILED_EVENT.search(body) is None
