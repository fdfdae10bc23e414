"""How a router behaves, section by section, as its configuration says. Times are in seconds."""

from ipaddress import ip_network
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from valkey.asyncio.connection import ConnectionPool

from slipway_crds.duration import parse_duration

_MEBIBYTE: Final = 1024 * 1024
_STORE_SCHEMES: Final = ("valkey", "redis")
_STORE_TLS_SCHEMES: Final = ("valkeys", "rediss")
_NO_STORE: Final = (
    "not the address of a store; write for example valkey://valkey:6379/0, or rediss:// for TLS; in a password, write "
    "%2F for /, %40 for @ and %23 for #"
)
"""Without the address, which may hold a password."""


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return parse_duration(value)


def _networks(networks: tuple[str, ...]) -> tuple[str, ...]:
    for network in networks:
        try:
            ip_network(network)
        except ValueError as error:
            raise ValueError(f"{error}; write networks such as 10.0.0.0/8, or addresses") from None
    return networks


def _origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    for origin in origins:
        url = urlsplit(origin)
        if origin != "*" and (not url.netloc or origin != f"{url.scheme}://{url.netloc}".lower()):
            raise ValueError(f"{origin!r} is no origin; write for example https://chat.example.com, or *")
    return origins


def _web_address(url: str) -> str:
    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
        raise ValueError(f"{url!r} is no web address; write for example https://id.example.com")
    return url


def _store_address(url: str) -> str:
    if not url:
        return url
    try:
        parts, pool = urlsplit(url), ConnectionPool.from_url(url)
        pool.make_connection()  # type: ignore[no-untyped-call] # Connects to nothing yet, but knows every setting.
    except (ValueError, TypeError):
        raise ValueError(_NO_STORE) from None
    if parts.scheme not in (*_STORE_SCHEMES, *_STORE_TLS_SCHEMES) or not parts.hostname:
        raise ValueError(_NO_STORE)
    if (
        parts.scheme in _STORE_TLS_SCHEMES
        and not {"ssl_check_hostname", "ssl_cert_reqs"} & pool.connection_kwargs.keys()
    ):
        # Valkey's client takes a certificate of any name unless told otherwise.
        return f"{url}{'&' if parts.query else '?'}ssl_check_hostname=true"
    return url


Seconds = Annotated[float, BeforeValidator(_seconds), WithJsonSchema({"type": "number", "format": "duration"})]
"""A number of seconds, or a duration such as ``20s``."""
Networks = Annotated[tuple[str, ...], AfterValidator(_networks)]
Origins = Annotated[tuple[str, ...], AfterValidator(_origins)]
StoreAddress = Annotated[str, AfterValidator(_store_address)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
_Limit = Annotated[int, Field(ge=1)] | None


class Section(BaseModel):
    """A part of the configuration: never changes once read, and knows all of its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ServerOptions(Section):
    """The data port."""

    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """At once; further ones are answered with 503 and closed."""


class StoreOptions(Section):
    """The store that several replicas share."""

    url: StoreAddress = ""
    """``valkey://`` or ``redis://``, with TLS ``valkeys://`` or ``rediss://``. With ``?ssl_ca_certs=FILE`` it trusts
    further certificates. Empty: every router counts for itself."""
    timeout: Annotated[Seconds, Field(gt=0, le=60)] = 0.5
    """Longest wait for an answer of the store."""
    prefix: str = "slipway"
    """Begin of every key in the store."""


class LimitsOptions(Section):
    """How limits are enforced."""

    fail_mode: Literal["open", "closed"] = "closed"
    """Without an answer of the store: serve as if there were no limits, or refuse with 503."""
    lease: Annotated[Seconds, Field(ge=1, le=3600)] = 30.0
    """How long a shared store keeps the places of running requests for a router that has died."""


class AnonymousOptions(Section):
    """Requests without a key."""

    enabled: bool = False
    """Whether they are answered."""
    models: tuple[str, ...] = ("*",)
    """Globs of the served names that they open."""
    requests_per_minute: Annotated[int, Field(ge=1)] = 60
    """Of one address."""


class OidcOptions(Section):
    """Tokens of an OpenID Connect provider as a second kind of identity. Empty ``issuer``: none."""

    issuer: WebAddress = ""
    """As it stands in the claim ``iss``."""
    audience: str = ""
    """What the claim ``aud`` must name. Needed with an issuer: else tokens made for others would be taken."""
    jwks_url: WebAddress = ""
    """Where the provider's keys are. Empty: as its discovery document says."""
    ca_file: str = ""
    """Certificates in PEM that are trusted besides the system's."""
    owner_claim: Annotated[str, Field(min_length=1)] = "sub"
    """Name of the claim that says who calls; a token without it is refused."""
    models_claim: str = "slipway_models"
    """Name of a claim: a list of globs of served names, or a text with blanks between them. A token without it opens
    ``models``."""
    models: tuple[str, ...] = ()
    """Globs of the served names that tokens without ``models_claim`` open."""
    admin_claim: str = ""
    """Name of the claim that makes an admin; empty: none does."""
    admin_value: str = ""
    """What the claim must be, or have in its list."""
    requests_per_minute: _Limit = None
    """Of one owner."""
    tokens_per_minute: _Limit = None
    """Of one owner; prompts and answers together."""
    tokens_per_day: _Limit = None
    """Of one owner; prompts and answers together."""
    concurrent_requests: _Limit = None
    """Of one owner, at once."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.issuer and not self.audience:
            raise ValueError("issuer is set and audience is not; write the audience that the provider puts into tokens")
        if not self.issuer and (self.audience or self.jwks_url):
            raise ValueError("issuer is missing; write it as the provider's tokens say it in iss")
        if bool(self.admin_claim) != bool(self.admin_value):
            raise ValueError("admin_claim and admin_value go together; write both, or none of them")
        return self


class TlsOptions(Section):
    """The data port's certificate. Both empty: plain HTTP."""

    cert_file: str = ""
    """The certificate and those of its issuers, in PEM. Read again when it changes."""
    key_file: str = ""
    """Its private key, in PEM, not encrypted."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("cert_file and key_file go together; write both, or none of them")
        return self


class CorsOptions(Section):
    """Browsers of other origins."""

    origins: Origins = ()
    """Origins such as ``https://chat.example.com``, or ``*``. Empty: none."""
    credentials: bool = False
    """Whether browsers may send cookies and client certificates along. Keys and tokens need it not."""
    max_age: Annotated[Seconds, Field(ge=0, le=86400)] = 600.0
    """How long browsers may remember what is allowed."""

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if self.credentials and "*" in self.origins:
            raise ValueError("credentials cannot be sent from every origin; write the origins in place of *")
        return self


class ProxyOptions(Section):
    """Proxies in front of the router."""

    trusted: Networks = ()
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
    """Further ones push out those that were used longest ago."""
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
    """One JSON object a line, or lines for people."""
    otlp_endpoint: WebAddress = ""
    """Base URL of an OpenTelemetry collector (OTLP over HTTP). Empty: no traces."""
    service_name: str = "slipway-router"
    """As traces name the router."""
    sample_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Part of the traces that begin here which is kept. Of those that callers began, they decide."""


class AdminOptions(Section):
    """The admin API on the data port."""

    manage_models: bool = False
    """Whether admin keys may load and unload models. In a cluster the router needs a right for that."""


class Features(Section):
    """Every section."""

    server: ServerOptions = ServerOptions()
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
