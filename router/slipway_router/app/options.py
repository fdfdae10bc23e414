"""How a router behaves, section by section, as its configuration says. Times are in seconds."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

_MEBIBYTE = 1024 * 1024


class Section(BaseModel):
    """A part of the configuration: never changes once read, and knows all of its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StoreOptions(Section):
    """The store that several replicas share."""

    url: str = ""
    """``valkey://``, ``valkeys://``, ``redis://`` or ``rediss://``. Empty: every router counts for itself."""
    timeout: Annotated[float, Field(gt=0, le=60)] = 0.5
    """Longest wait for an answer of the store."""
    prefix: str = "slipway"
    """Begin of every key in the store."""


class LimitsOptions(Section):
    """How limits are enforced."""

    fail_mode: Literal["open", "closed"] = "closed"
    """Without an answer of the store: serve as if there were no limits, or refuse with 503."""


class AnonymousOptions(Section):
    """Requests without a key."""

    enabled: bool = False
    models: tuple[str, ...] = ("*",)
    """Globs of the served names that they open."""
    requests_per_minute: Annotated[int, Field(ge=1)] = 60
    """Of one address."""


class OidcOptions(Section):
    """Tokens of an OpenID Connect provider as a second kind of identity. Empty ``issuer``: none."""

    issuer: str = ""
    audience: str = ""
    jwks_url: str = ""
    """Empty: as the issuer's discovery document says."""
    ca_file: str = ""
    """Certificates in PEM that are trusted besides the system's."""
    owner_claim: str = "sub"
    models_claim: str = "slipway_models"
    """A list of globs, or a text with blanks between them. A token without it opens ``models``."""
    models: tuple[str, ...] = ()
    admin_claim: str = ""
    """Name of the claim that makes an admin; empty: none does."""
    admin_value: str = ""
    """What the claim must be, or have in its list."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    concurrent_requests: int | None = None


class TlsOptions(Section):
    """The data port's certificate. Both empty: plain HTTP."""

    cert_file: str = ""
    key_file: str = ""


class CorsOptions(Section):
    """Browsers of other origins."""

    origins: tuple[str, ...] = ()
    """Origins such as ``https://chat.example.com``, or ``*``. Empty: none."""


class ProxyOptions(Section):
    """Proxies in front of the router."""

    trusted: tuple[str, ...] = ()
    """Networks such as ``10.0.0.0/8`` whose ``X-Forwarded-For`` is believed."""


class LedgerOptions(Section):
    """The account of used tokens."""

    folder: str = ""
    """Where it is kept. Empty: in memory only, gone with the process."""


class SessionOptions(Section):
    """Chat sessions."""

    file: str = ""
    """SQLite file. Empty: in memory. Not used when there is a shared store."""
    max_sessions: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    max_messages: Annotated[int, Field(ge=2, le=10_000)] = 20
    """Of one session; older ones go, the system message stays."""


class CacheOptions(Section):
    """Answers that are kept for models that allow it."""

    max_bytes: Annotated[int, Field(ge=0)] = 64 * _MEBIBYTE
    """Of all kept answers together."""
    max_answer_bytes: Annotated[int, Field(ge=0)] = 4 * _MEBIBYTE
    """Larger answers are not kept."""


class TelemetryOptions(Section):
    """Logs and traces."""

    log_format: Literal["json", "pretty"] = "json"
    otlp_endpoint: str = ""
    """Base URL of an OpenTelemetry collector (OTLP over HTTP). Empty: no traces."""
    service_name: str = "slipway-router"


class AdminOptions(Section):
    """The admin API on the data port."""

    manage_models: bool = False
    """Whether admin keys may load and unload models. In a cluster the router needs a right for that."""


class Features(Section):
    """Every section."""

    store: StoreOptions = StoreOptions()
    limits: LimitsOptions = LimitsOptions()
    anonymous: AnonymousOptions = AnonymousOptions()
    oidc: OidcOptions = OidcOptions()
    tls: TlsOptions = TlsOptions()
    cors: CorsOptions = CorsOptions()
    proxy: ProxyOptions = ProxyOptions()
    ledger: LedgerOptions = LedgerOptions()
    sessions: SessionOptions = SessionOptions()
    cache: CacheOptions = CacheOptions()
    telemetry: TelemetryOptions = TelemetryOptions()
    admin: AdminOptions = AdminOptions()
