"""The public keys of an OpenID Connect provider, fetched and kept fresh.

They are asked for at the start, every hour, and when a token names one that is not known. As long as the provider is
away, the keys that are known stay in use.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import orjson

from slipway_router.domain.callers.oidc import SigningKeys, signing_keys

DISCOVERY_PATH: Final = "/.well-known/openid-configuration"
"""OpenID Connect Discovery 1.0, section 4."""
MAX_DOCUMENT: Final = 1024 * 1024
"""Bytes."""
TIMEOUT_SECONDS: Final = 5.0
FRESH_SECONDS: Final = 3600.0
PAUSE_SECONDS: Final = 10.0
"""At least, between two tries for tokens with unknown keys."""

_log = logging.getLogger(__name__)


class ProviderError(Exception):
    """The provider gave no keys; the message says why."""


class Jwks:
    """Fetches the keys of one provider and hands them to ``replace``."""

    def __init__(
        self,
        issuer: str,
        jwks_url: str,
        tls: ssl.SSLContext,
        replace: Callable[[SigningKeys], None],
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        """An empty ``jwks_url`` is looked up in the issuer's discovery document.

        Raises:
            ValueError: an address is neither https nor on this machine.
        """
        for url in (issuer, jwks_url):
            if url and not _is_safe(url):
                raise ValueError(f"{url!r} is not encrypted; write an https address")
        self._issuer = issuer
        self._url = jwks_url
        self._tls = tls
        self._replace = replace
        self._pause = pause_seconds
        self._keys: SigningKeys = {}
        self._answered = False
        self._asked_at = float("-inf")
        self._attempt_under_way: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Fetch the keys and keep them fresh, in the background."""
        self._keeper = asyncio.create_task(self._keep_fresh())

    async def close(self) -> None:
        """Stop."""
        for task in (self._keeper, self._attempt_under_way):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _keep_fresh(self) -> None:
        while True:
            await self._attempt()
            await asyncio.sleep(FRESH_SECONDS if self._answered else self._pause)

    async def refresh(self) -> bool:
        """Ask for newer keys, unless someone did a moment ago. False: the provider gave none at the last try.

        Whoever comes while they are asked for waits for the same answer.
        """
        now = asyncio.get_running_loop().time()
        if self._attempt_under_way is not None:
            await self._attempt()
        elif now - self._asked_at >= self._pause:
            self._asked_at = now
            await self._attempt()
        return self._answered

    async def _attempt(self) -> None:
        if self._attempt_under_way is None:
            self._attempt_under_way = asyncio.create_task(self._try())
        await asyncio.shield(self._attempt_under_way)

    async def _try(self) -> None:
        try:
            keys = await self._fetch()
        except (ProviderError, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            self._answered = False
            _log.warning("the identity provider %s gave no keys: %s", self._issuer, str(error) or type(error).__name__)
        else:
            self._answered = True
            self._take(keys)
        finally:
            self._attempt_under_way = None

    def _take(self, keys: SigningKeys) -> None:
        if keys != self._keys:
            self._keys = keys
            self._replace(keys)
            _log.info("the identity provider %s signs with: %s", self._issuer, ", ".join(keys) or "a key without name")

    async def _fetch(self) -> SigningKeys:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        connector = aiohttp.TCPConnector(ssl=self._tls)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            return signing_keys(await _json(session, self._url or await self._discover(session)))

    async def _discover(self, session: aiohttp.ClientSession) -> str:
        document = await _json(session, self._issuer.rstrip("/") + DISCOVERY_PATH)
        if not isinstance(document, dict) or document.get("issuer") != self._issuer:
            raise ProviderError(f"its discovery document is not that of the issuer {self._issuer!r}")
        url = document.get("jwks_uri")
        if not isinstance(url, str) or not _is_safe(url):
            raise ProviderError("its discovery document has no https address as jwks_uri")
        return url


async def _json(session: aiohttp.ClientSession, url: str) -> Any:
    async with session.get(url, allow_redirects=False) as answer:
        if answer.status != HTTPStatus.OK:
            raise ProviderError(f"{url} answered with {answer.status}")
        content = bytearray()
        async for piece in answer.content.iter_chunked(65536):
            content += piece
            if len(content) > MAX_DOCUMENT:
                raise ProviderError(f"{url} is larger than {MAX_DOCUMENT} bytes")
    return orjson.loads(content)


def _is_safe(url: str) -> bool:
    """Whether nobody on the way can put in keys of their own."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    with contextlib.suppress(ValueError):
        return parts.scheme == "http" and ip_address(parts.hostname or "").is_loopback
    return parts.scheme == "http" and parts.hostname == "localhost"
