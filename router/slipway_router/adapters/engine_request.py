"""A request as it goes out to an engine or a provider."""

from typing import Final

from slipway_router.domain import headers, renaming
from slipway_router.domain.balancing import Replica
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.provider import Provider, key_lines

_HEAD: Final = b"%b\r\nhost: %b\r\n%bx-request-id: %b\r\naccept-encoding: identity\r\ncontent-length: %d\r\n\r\n"


def request_of(exchange: Exchange, replica: Replica) -> renaming.Pieces:
    """Head and body, in pieces that together are the request. Large bodies are not copied."""
    route, model = exchange.route, exchange.model
    fields = headers.for_engine(exchange.headers, route.headers)
    if model is not None and model.provider is not None:
        return _to_provider(exchange, model.provider, fields)
    body, request_id = exchange.body, exchange.request_id.encode()
    return _HEAD % (route.request_line, replica.host_header, fields, request_id, len(body)), body


def _to_provider(exchange: Exchange, provider: Provider, fields: bytes) -> renaming.Pieces:
    route, body = exchange.route, exchange.body
    pieces: renaming.Pieces = (body,)
    if provider.model and provider.model != exchange.model_name:
        if exchange.model_at is not None:
            pieces = renaming.in_form(body, exchange.model_at, provider.model)
        else:
            pieces = renaming.in_json(body, provider.model)
    sent = frozenset(exchange.headers)
    head = _HEAD % (
        b"%b %b HTTP/1.1" % (route.method, provider.path(route.path).encode()),
        provider.authority.encode(),
        fields + key_lines(route.operation, exchange.provider_key, sent),
        exchange.request_id.encode(),
        sum(map(len, pieces)),
    )
    return head, *pieces
