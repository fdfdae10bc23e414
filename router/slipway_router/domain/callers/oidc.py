"""Tokens of an OpenID Connect provider: whether one is valid, and who calls with it.

Sources: OpenID Connect Core 1.0, section 2; RFC 7517 (JWK), RFC 7519 (JWT), RFC 8725 (what must be checked).
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from slipway_router.domain.callers.keys import NO_LIMITS, Caller, Limits
from slipway_router.domain.errors import ErrorCode, RequestError, fail

LEEWAY_SECONDS: Final = 30
"""How far clocks may be apart."""
MAX_TOKEN: Final = 16 * 1024
"""Bytes."""
_MAX_KEYS: Final = 100
_MAX_KNOWN: Final = 10_000
_MAX_OWNER: Final = 256
_MAX_GLOBS: Final = 256
_MIN_RSA_BITS: Final = 2048
_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_BY_CURVE: Final[Mapping[str, frozenset[str]]] = {
    "P-256": frozenset({"ES256"}),
    "P-384": frozenset({"ES384"}),
    "P-521": frozenset({"ES512"}),
    "Ed25519": frozenset({"EdDSA"}),
}
ALGORITHMS: Final = _RSA.union(*_BY_CURVE.values())
"""Signatures with public keys only: with a shared secret, whoever checks tokens could make them."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key of the provider."""

    key: Any
    """As the cryptography library has it."""
    algorithms: frozenset[str]
    """What it may be used with."""


SigningKeys = Mapping[str, SigningKey]
"""By ``kid``; empty for a key without one."""


class UnknownSigningKeyError(Exception):
    """No key at hand has signed the token; the provider may have newer ones."""


class KeySource(Protocol):
    """Where the provider's keys come from."""

    async def refresh(self) -> bool:
        """Ask for newer keys, unless that was done a moment ago. False: the provider gave none at the last try."""
        ...


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must say, and what it opens."""

    issuer: str
    audience: str
    owner_claim: str = "sub"
    models_claim: str = ""
    models: tuple[str, ...] = ()
    """Globs for tokens without ``models_claim``."""
    admin_claim: str = ""
    admin_value: str = ""
    limits: Limits = NO_LIMITS

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        """Whoever the claims of a valid token describe.

        Raises:
            RequestError: 401, they name no owner.
        """
        owner = claim_of(claims, self.owner_claim)
        if not isinstance(owner, str) or not 0 < len(owner) <= _MAX_OWNER or not owner.isprintable():
            raise _refused(f"its claim '{self.owner_claim}' names nobody")
        models = claim_of(claims, self.models_claim) if self.models_claim else None
        return Caller(
            name=f"oidc:{owner}",  # No APIKey is called so: names of theirs are namespace/name.
            owner=owner,
            models=self.models if models is None else tuple(_texts(models)[:_MAX_GLOBS]),
            admin=bool(self.admin_claim) and self.admin_value in _texts(claim_of(claims, self.admin_claim)),
            limits=self.limits,
        )


def claim_of(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name or, where there is none of it, its path: ``realm_access.roles``. None: there is none."""
    if name in claims:
        return claims[name]
    first, dot, rest = name.partition(".")
    below = claims.get(first)
    return claim_of(below, rest) if dot and isinstance(below, Mapping) else None


def _texts(claim: Any) -> list[str]:
    """A list of texts, or a text with blanks between them; of true the word."""
    if isinstance(claim, bool):
        return [str(claim).lower()]
    if isinstance(claim, str):
        return claim.split()
    return [text for text in claim if isinstance(text, str)] if isinstance(claim, list) else []


def signing_keys(jwks: object) -> dict[str, SigningKey]:
    """The usable keys of a JWK set (RFC 7517, 5). Others, such as those for encryption, are passed over.

    Raises:
        ValueError: it is no JWK set, or has no usable key.
    """
    entries = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(entries, list):
        raise ValueError("no JWK set: there is no list 'keys' in it")
    found: dict[str, SigningKey] = {}
    for entry in entries[:_MAX_KEYS]:
        key = _signing_key(entry) if isinstance(entry, Mapping) else None
        if key is not None:
            found[str(entry.get("kid") or "")] = key
    if not found:
        raise ValueError("the JWK set has no key for signatures")
    return found


def _signing_key(entry: Mapping[str, Any]) -> SigningKey | None:
    said = {name: value for name, value in entry.items() if value is not None}  # Some providers write null for nothing.
    if said.get("use", "sig") != "sig" or "verify" not in _texts(said.get("key_ops", "verify")):
        return None
    algorithms = _RSA if said.get("kty") == "RSA" else _BY_CURVE.get(str(said.get("crv")), frozenset())
    if "alg" in said:
        algorithms &= {str(said["alg"])}
    if not algorithms:
        return None
    try:
        key = jwt.PyJWK({name: value for name, value in said.items() if name != "d"}).key
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        _log.warning("the provider's key %r cannot be used: %s", entry.get("kid"), error)
        return None
    if isinstance(key, RSAPublicKey) and key.key_size < _MIN_RSA_BITS:
        _log.warning("the provider's key %r has only %d bits", entry.get("kid"), key.key_size)
        return None
    return SigningKey(key, algorithms)


@dataclass(slots=True)
class Tokens:
    """Knows the callers of tokens. A token is checked once; from then on its digest tells, until it expires."""

    rules: TokenRules
    wall_clock: Callable[[], float]
    _keys: SigningKeys = field(default_factory=dict)
    _known: OrderedDict[str, tuple[Caller, float]] = field(default_factory=OrderedDict)

    def replace_keys(self, keys: SigningKeys) -> None:
        """Check tokens with ``keys``, known ones, too."""
        self._keys = keys
        self._known.clear()

    def caller(self, token: bytes, digest: str) -> Caller:
        """Whose token it is; ``digest`` is its SHA-256.

        Raises:
            RequestError: 401, the token is not valid.
            UnknownSigningKeyError: a newer key may tell.
        """
        known = self._known.get(digest)
        if known is not None and self.wall_clock() < known[1]:
            self._known.move_to_end(digest)
            return known[0]
        claims = self._checked(token)
        caller = self.rules.caller(claims)
        self._known[digest] = caller, float(claims["exp"]) + LEEWAY_SECONDS
        if len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)
        return caller

    def _checked(self, token: bytes) -> dict[str, Any]:
        if len(token) > MAX_TOKEN:
            raise _refused("it is too long")
        try:
            header = jwt.get_unverified_header(token)
            algorithm = header.get("alg")
            if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
                raise _refused(f"it must be signed with one of {', '.join(sorted(ALGORITHMS))}")
            key = self._key_of(header.get("kid"))
            if algorithm not in key.algorithms:
                raise _refused("the provider's key is not for the algorithm that it names")
            return self._decoded(token, key, algorithm)
        except (jwt.PyJWTError, ValueError, OverflowError, RecursionError) as error:
            if isinstance(error, jwt.InvalidSignatureError) and not header.get("kid"):
                raise UnknownSigningKeyError from None
            raise _problem_of(error, self.rules) from None

    def _decoded(self, token: bytes, key: SigningKey, algorithm: str) -> dict[str, Any]:
        return jwt.decode(
            token,
            key.key,
            algorithms=[algorithm],
            audience=self.rules.audience,
            issuer=self.rules.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud"]},
        )

    def _key_of(self, kid: str | None) -> SigningKey:
        key = self._keys.get(kid or "")
        if key is None and not kid and len(self._keys) == 1:
            (key,) = self._keys.values()
        if key is None:
            raise UnknownSigningKeyError
        return key


def looks_like_token(presented: bytes) -> bool:
    """Whether it is three parts of Base64 with a JSON object first, as a signed JWT is, and never one of our keys."""
    return presented.startswith(b"eyJ") and presented.count(b".") == 2


def unknown_key() -> RequestError:
    """The refusal of a token that no key of the provider has signed."""
    return _refused("no key of the provider has signed it")


def _problem_of(error: Exception, rules: TokenRules) -> RequestError:
    match error:
        case jwt.ExpiredSignatureError():
            return fail(ErrorCode.EXPIRED_TOKEN, "This token has expired. Get a new one from the identity provider.")
        case jwt.ImmatureSignatureError():
            return _refused("it is not valid yet")
        case jwt.InvalidAudienceError():
            return _refused(f"its audience is not '{rules.audience}'")
        case jwt.InvalidIssuerError():
            return _refused(f"its issuer is not '{rules.issuer}'")
        case jwt.InvalidSignatureError():
            return _refused("its signature is wrong")
        case jwt.MissingRequiredClaimError():
            return _refused(f"it has no claim '{error.claim}'")
    return _refused("it cannot be read")


def _refused(why: str) -> RequestError:
    return fail(ErrorCode.INVALID_TOKEN, f"This token is not accepted: {why}.")
