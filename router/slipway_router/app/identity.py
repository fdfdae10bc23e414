"""Puts together who may call: keys, tokens of an identity provider, callers without either; browsers' origins."""

from collections.abc import Callable
from dataclasses import dataclass

from slipway_router.adapters.engines.provider_tls import provider_tls
from slipway_router.adapters.jwks import Jwks
from slipway_router.app.options import CorsOptions, Features, OidcOptions
from slipway_router.domain.callers.addresses import trusted_networks
from slipway_router.domain.callers.authentication import Anonymous, Authenticate, Proxies
from slipway_router.domain.callers.cors import Cors
from slipway_router.domain.callers.keys import KeyStore, Limits
from slipway_router.domain.callers.oidc import TokenRules, Tokens
from slipway_router.domain.exchange import Step


@dataclass(frozen=True, slots=True)
class Identity:
    """Finds out who calls."""

    authenticate: Authenticate
    jwks: Jwks | None

    @property
    def body_steps(self) -> tuple[Step, ...]:
        """What a complete request needs before all other steps."""
        return (self.authenticate.complete,) if self.jwks is not None else ()

    async def start(self) -> None:
        """Begin to follow the identity provider."""
        if self.jwks is not None:
            await self.jwks.start()

    async def close(self) -> None:
        """Stop that."""
        if self.jwks is not None:
            await self.jwks.close()


def build_identity(keys: KeyStore, features: Features, wall_clock: Callable[[], float]) -> Identity:
    """Who may call, as the sections say.

    Raises:
        ValueError: a file cannot be used, or an address is not encrypted; the message names the setting.
    """
    anonymous = features.anonymous
    tokens = Tokens(_rules(features.oidc), wall_clock) if features.oidc.issuer else None
    jwks = _jwks_of(features.oidc, tokens) if tokens is not None else None
    authenticate = Authenticate(
        keys,
        wall_clock,
        tokens=tokens,
        source=jwks,
        anonymous=Anonymous(anonymous.models, Limits(requests_per_minute=anonymous.requests_per_minute))
        if anonymous.enabled
        else None,
        proxies=Proxies(trusted_networks(features.proxy.trusted)) if features.proxy.trusted else None,
    )
    return Identity(authenticate, jwks)


def _jwks_of(oidc: OidcOptions, tokens: Tokens) -> Jwks:
    """Where the provider's keys come from. Raises as `build_identity` does."""
    tls = provider_tls(oidc.ca_file, "SLIPWAY_OIDC_CA_FILE")
    try:
        return Jwks(oidc.issuer, oidc.jwks_url, tls, tokens.replace_keys)
    except ValueError as error:
        raise ValueError(f"[oidc]: {error}") from None


def _rules(oidc: OidcOptions) -> TokenRules:
    return TokenRules(
        issuer=oidc.issuer,
        audience=oidc.audience,
        owner_claim=oidc.owner_claim,
        models_claim=oidc.models_claim,
        models=oidc.models,
        admin_claim=oidc.admin_claim,
        admin_value=oidc.admin_value,
        limits=Limits(
            requests_per_minute=oidc.requests_per_minute,
            tokens_per_minute=oidc.tokens_per_minute,
            tokens_per_day=oidc.tokens_per_day,
            concurrent_requests=oidc.concurrent_requests,
        ),
    )


def build_cors(cors: CorsOptions) -> Cors | None:
    """Which browsers may call; None if none of other origins may."""
    return Cors(cors.origins, credentials=cors.credentials, max_age=cors.max_age) if cors.origins else None
