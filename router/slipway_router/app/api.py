"""Puts together what the data port serves besides the hot path: the table's calls and their handlers."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute

from slipway_router.adapters.api.admin import AdminApi, Load
from slipway_router.adapters.api.dispatch import Handlers, Identify, cold_routes
from slipway_router.adapters.api.documents import DocumentsApi
from slipway_router.adapters.api.inner_calls import InnerCalls
from slipway_router.adapters.api.models import (
    HealthApi,
    ModelsApi,
    RequestIds,
    on_crash,
    on_http_error,
    on_request_error,
    upgrade_required,
)
from slipway_router.adapters.api.sessions import SessionsApi
from slipway_router.adapters.api.simple import SimpleApi
from slipway_router.adapters.api.websocket_chat import ChatSocket
from slipway_router.adapters.http.cycle import Front
from slipway_router.adapters.ledger.api import LedgerApi
from slipway_router.adapters.sessions.sqlite import SqliteSessions
from slipway_router.adapters.sessions.valkey import ValkeySessions
from slipway_router.app.options import Features, SessionOptions, StoreOptions
from slipway_router.domain.api.managing import ModelManager, NoManager
from slipway_router.domain.api.openapi import document
from slipway_router.domain.api.routes import ROUTES
from slipway_router.domain.api.sessions import SessionStore
from slipway_router.domain.api.table import SOCKET_PATHS, TABLE, by_path
from slipway_router.domain.callers.keys import Caller
from slipway_router.domain.errors import RequestError
from slipway_router.domain.exchange import Exchange, Headers, Step
from slipway_router.domain.metering.ledger import UsageReader
from slipway_router.domain.models.catalogue import CatalogueStore


def identify_by(step: Step) -> Identify:
    """Finds callers as ``step``, which authenticates inference calls, does."""

    async def identify(headers: Headers, peer: str) -> Caller:
        exchange = Exchange(ROUTES[0], dict(headers), peer, "", 0.0)
        waiting = step(exchange)
        if waiting is not None:
            await waiting
        assert exchange.caller is not None
        return exchange.caller

    return identify


@dataclass(frozen=True, slots=True)
class ApiParts:
    """What the calls work with."""

    catalogue: CatalogueStore
    synced: Callable[[], bool]
    authenticate: Step
    new_id: Callable[[], str]
    front: Front
    """Where inference calls go."""
    features: Features
    usage: UsageReader
    registry: CollectorRegistry
    load: Load
    manager: ModelManager


class Api:
    """The ASGI application behind the hot path, and what it keeps."""

    def __init__(self, parts: ApiParts) -> None:
        inner = InnerCalls(parts.front)
        options = parts.features.sessions
        self._sessions = _session_store(options, parts.features.store)
        sessions = SessionsApi(self._sessions, inner, options.max_messages, time.time)
        identify = identify_by(parts.authenticate)
        socket = ChatSocket(inner, identify, sessions, parts.new_id)
        manager = parts.manager if parts.features.admin.manage_models else NoManager()
        handlers: Handlers = {
            **ModelsApi(parts.catalogue).handlers(),
            **HealthApi(parts.synced).handlers(),
            **DocumentsApi(document(TABLE, version("slipway"))).handlers(),
            **LedgerApi(parts.usage, time.time).handlers(),
            **SimpleApi(parts.catalogue, inner).handlers(),
            **sessions.handlers(),
            "chat_socket": upgrade_required,
            **AdminApi(parts.catalogue, parts.load, parts.registry, manager).handlers(),
        }
        self.app = Starlette(
            routes=[
                *cold_routes(by_path(TABLE), handlers, identify, parts.front),
                *(WebSocketRoute(path.decode(), socket) for path in SOCKET_PATHS),
            ],
            middleware=[Middleware(RequestIds, new_id=parts.new_id)],
            exception_handlers={RequestError: on_request_error, HTTPException: on_http_error, Exception: on_crash},
        )
        self.app.router.redirect_slashes = False

    async def close(self) -> None:
        """Let go of sessions."""
        await self._sessions.close()


def _session_store(options: SessionOptions, store: StoreOptions) -> SessionStore:
    if store.url:
        return ValkeySessions(store.url, store.prefix, store.timeout, options.max_sessions)
    return SqliteSessions(options.file, options.max_sessions)
