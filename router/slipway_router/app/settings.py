"""What the environment says about how the router runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from slipway_crds.duration import parse_duration
from slipway_router.domain.bodies import MAX_BUFFERED_BYTES

_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the ``slipway-router`` program. Times are in seconds."""

    host: str = "0.0.0.0"
    port: int = 8080
    admin_port: int = 9090
    watch_namespaces: tuple[str, ...] = ()
    """Empty: the whole cluster."""
    drain_timeout: float = 300.0
    """How long answers under way may take to finish after SIGTERM."""
    max_body_bytes: int = 32 * 1024 * 1024
    max_buffered_bytes: int = MAX_BUFFERED_BYTES
    """Of the bodies of all requests together."""
    image_url_hosts: tuple[str, ...] = ()
    """Hosts, as globs, that callers may have engines fetch pictures from. Empty: none."""
    provider_keys_dir: str = "/etc/slipway/provider-keys"
    """Where the keys of external models' providers are mounted."""
    provider_ca_file: str = ""
    """Certificates in PEM that are trusted besides the system's when a provider is called."""
    access_log: bool = True
    log_level: str = "info"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Settings from ``SLIPWAY_…`` variables; one that is unset or empty takes its default.

        Raises:
            ValueError: a value cannot be read; the message names the variable and says what to write.
        """
        read = _Reader(environ)
        default = cls()
        return cls(
            host=read.text("HOST", default.host),
            port=read.number("DATA_PORT", default.port, 65535),
            admin_port=read.number("ADMIN_PORT", default.admin_port, 65535),
            watch_namespaces=read.words("WATCH_NAMESPACES"),
            drain_timeout=read.seconds("DRAIN_TIMEOUT", default.drain_timeout),
            max_body_bytes=read.number("MAX_BODY_BYTES", default.max_body_bytes, 2**31),
            max_buffered_bytes=read.number("MAX_BUFFERED_BYTES", default.max_buffered_bytes, 2**40),
            image_url_hosts=read.words("IMAGE_URL_HOSTS"),
            provider_keys_dir=read.text("PROVIDER_KEYS_DIR", default.provider_keys_dir),
            provider_ca_file=read.text("PROVIDER_CA_FILE", default.provider_ca_file),
            access_log=read.choice("ACCESS_LOG", ("on", "off"), "on") == "on",
            log_level=read.choice("LOG_LEVEL", _LEVELS, default.log_level),
        )


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str) -> str:
        return self._environ.get(f"SLIPWAY_{name}", "").strip() or default

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(word.strip() for word in self.text(name, "").split(",") if word.strip())

    def number(self, name: str, default: int, most: int) -> int:
        text = self.text(name, str(default))
        if not text.isdigit() or int(text) > most:
            raise ValueError(f"SLIPWAY_{name} is {text!r}; write a whole number from 0 to {most}")
        return int(text)

    def seconds(self, name: str, default: float) -> float:
        text = self.text(name, "")
        try:
            return parse_duration(text) if text else default
        except ValueError as error:
            raise ValueError(f"SLIPWAY_{name}: {error}") from None

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        text = self.text(name, default).lower()
        if text not in choices:
            raise ValueError(f"SLIPWAY_{name} is {text!r}; write one of {', '.join(choices)}")
        return text
