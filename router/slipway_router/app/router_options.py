"""What a router is built from: how it shall behave, and what it knows from elsewhere."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from slipway_router.adapters.engines.holding import PROGRESS_SECONDS
from slipway_router.adapters.engines.provider_tls import provider_tls
from slipway_router.app.options import Features
from slipway_router.domain.api.managing import ModelManager, NoManager
from slipway_router.domain.callers.keys import KeyStore
from slipway_router.domain.models.catalogue import CatalogueStore
from slipway_router.domain.models.observing import Observer
from slipway_router.domain.models.provider import KeyLookup, no_keys
from slipway_router.domain.models.waking import NoWaker, Waker
from slipway_router.domain.requests.bodies import MAX_BUFFERED_BYTES


@dataclass(frozen=True, slots=True)
class RouterOptions:
    """How a router behaves, wherever it runs. Times are in seconds."""

    max_body_bytes: int = 32 * 1024 * 1024
    max_buffered_bytes: int = MAX_BUFFERED_BYTES
    """Of the bodies of all requests together, while they are read or wait for an engine to take them."""
    request_timeout: float = 120.0
    """How long a request may take to arrive."""
    caller_timeout: float = 120.0
    """How long a caller may stop reading."""
    progress_interval: float = PROGRESS_SECONDS
    """Between two words of progress to a streaming caller whose model wakes."""
    image_hosts: tuple[str, ...] = ()
    """Hosts, as globs, that callers may have engines fetch pictures from."""
    provider_tls: ssl.SSLContext = field(default_factory=provider_tls)
    """Which certificates of providers are trusted. Default: those that the system trusts."""
    features: Features = field(default_factory=Features)
    """Limits, identities, accounts and what else can be switched on."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What a router knows from elsewhere, and whom it can ask for more."""

    catalogue: CatalogueStore
    keys: KeyStore
    synced: Callable[[], bool]
    """Whether the first full picture is there."""
    waker: Waker = field(default_factory=NoWaker)
    provider_keys: KeyLookup = no_keys
    """Keys of external models, by ``namespace.name``."""
    observer: Observer | None = None
    """Who else is told of requests."""
    manager: ModelManager = field(default_factory=NoManager)
    """Loads and unloads models where admins may have that done."""
