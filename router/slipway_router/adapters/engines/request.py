"""A request as it goes out to an engine or a provider."""

import msgspec

from slipway_router.domain import headers
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.models.balancing import Replica
from slipway_router.domain.models.provider import Provider, key_lines
from slipway_router.domain.requests import editing


def _head(line: bytes, host: bytes, fields: bytes, request_id: str, size: int) -> bytes:
    return b"%b\r\nhost: %b\r\n%bx-request-id: %b\r\naccept-encoding: identity\r\ncontent-length: %d\r\n\r\n" % (
        line,
        host,
        fields,
        request_id.encode(),
        size,
    )


def request_of(exchange: Exchange, replica: Replica) -> editing.Pieces:
    """Head and body, in pieces that together are the request. Large bodies are not copied."""
    route, model = exchange.route, exchange.model
    fields = headers.for_engine(exchange.headers, route.headers)
    if model is not None and model.provider is not None:
        return _to_provider(exchange, model.provider, fields)
    line, host, request_id = route.request_line, replica.host_header, exchange.request_id
    if not exchange.edits:
        return _head(line, host, fields, request_id, len(exchange.body)), exchange.body
    pieces = editing.in_json(exchange.body, exchange.edits, absent=exchange.edits_absent)
    return _head(line, host, fields, request_id, sum(map(len, pieces))), *pieces


def _to_provider(exchange: Exchange, provider: Provider, fields: bytes) -> editing.Pieces:
    route, edits = exchange.route, exchange.edits
    pieces: editing.Pieces = (exchange.body,)
    if provider.model and provider.model != exchange.model_name:
        if exchange.model_at is not None:
            pieces = editing.in_form(exchange.body, exchange.model_at, provider.model)
        else:
            edits = {**edits, "model": msgspec.json.encode(provider.model)}
    if edits:
        pieces = editing.in_json(exchange.body, edits)
    sent = frozenset(exchange.headers)
    head = _head(
        b"%b %b HTTP/1.1" % (route.method, provider.path(route.path).encode()),
        provider.authority.encode(),
        fields + key_lines(route.operation, exchange.provider_key, sent),
        exchange.request_id,
        sum(map(len, pieces)),
    )
    return head, *pieces
