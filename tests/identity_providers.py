"""A real OpenID Connect provider on loopback: discovery document, keys that rotate, and tokens."""

import base64
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

AUDIENCE = "slipway"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_ALGORITHMS = jwt.algorithms.get_default_algorithms()


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def jwk(key: PrivateKey, kid: str | None, **fields: Any) -> dict[str, Any]:
    """The public half, as JWK sets have it."""
    name = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256" if hasattr(key, "curve") else "EdDSA"
    entry: dict[str, Any] = _ALGORITHMS[name].to_jwk(key.public_key(), as_dict=True)
    entry.pop("key_ops", None)
    return entry | ({"kid": kid} if kid is not None else {}) | fields


@dataclass
class IdentityProvider:
    """Signs tokens with its newest key; a test changes what it publishes."""

    issuer: str = ""
    key: PrivateKey = field(default_factory=rsa_key)
    kid: str = "k1"
    published: list[dict[str, Any]] = field(default_factory=list)
    document: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    fetches: int = 0

    def __post_init__(self) -> None:
        self.published = [jwk(self.key, self.kid)]

    def rotate(self, kid: str) -> None:
        """Sign and publish with a new key only."""
        self.key, self.kid = rsa_key(), kid
        self.published = [jwk(self.key, kid)]

    def claims(self, **claims: Any) -> dict[str, Any]:
        """The claims of a good token; None leaves one out."""
        now = int(time.time())
        good = {"iss": self.issuer, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 600}
        good |= {"slipway_models": ["chat-*"]}
        return {name: value for name, value in (good | claims).items() if value is not None}

    def token(
        self, algorithm: str = "RS256", headers: dict[str, Any] | None = None, key: Any = None, **claims: Any
    ) -> str:
        """A signed token."""
        given = {"kid": self.kid} if headers is None else headers
        return jwt.encode(self.claims(**claims), key or self.key, algorithm, given)

    async def discovery(self, request: web.Request) -> web.Response:
        base = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}
        return web.json_response(base | self.document, status=self.status)

    async def keys(self, request: web.Request) -> web.Response:
        self.fetches += 1
        return web.json_response({"keys": self.published}, status=self.status)


@asynccontextmanager
async def identity_provider(tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[IdentityProvider]:
    """A provider that listens on loopback, behind TLS if ``tls`` is given."""
    provider = IdentityProvider()
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", provider.discovery)
    app.router.add_get("/keys", provider.keys)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls)
    await site.start()
    provider.issuer = f"{'https' if tls else 'http'}://localhost:{runner.addresses[0][1]}"
    try:
        yield provider
    finally:
        await runner.cleanup()


def unsigned(claims: dict[str, Any]) -> str:
    """A token that says of itself that nobody signed it."""
    return jwt.encode(claims, "", "none")


def with_wrong_signature(token: str) -> str:
    """The token with a signature that is well-formed and wrong."""
    head, payload, signature = token.split(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[0] ^= 1
    return f"{head}.{payload}.{base64.urlsafe_b64encode(raw).decode().rstrip('=')}"
