"""What the router is told by its environment and its configuration file; a variable wins over the file."""

import json
import time
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from slipway_router.adapters.engines.provider_tls import provider_tls
from slipway_router.adapters.http.tls import TlsFiles
from slipway_router.app.environment import UnknownVariableError, read_variables, suspicious
from slipway_router.app.identity import build_identity
from slipway_router.app.options import Features, Seconds
from slipway_router.app.router_options import RouterOptions
from slipway_router.app.setting_errors import explained, without_secrets
from slipway_router.app.setting_names import settings_of
from slipway_router.domain.callers.keys import KeyStore
from slipway_router.domain.requests.bodies import MAX_BUFFERED_BYTES

Port = Annotated[int, Field(ge=0, le=65535)]
_Level = Annotated[
    Literal["debug", "info", "warning", "error"],
    BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
]


class SettingsError(ValueError):
    """Settings are wrong; the message names variable or file, what was found, and what to write."""


class Settings(Features):
    """Settings of the ``slipway-router`` program: these, and the sections of `Features`."""

    host: str = "0.0.0.0"
    """Address to listen on."""
    data_port: Port = 8080
    """Port of the API."""
    admin_port: Port = 9090
    """Port of probes and metrics."""
    watch_namespaces: tuple[str, ...] = ()
    """Namespaces whose models and keys are served. Empty: the whole cluster."""
    shutdown_delay: Annotated[Seconds, Field(ge=0)] = 0.0
    """How long requests are still taken after SIGTERM, until load balancers have heard of it. Not ready meanwhile."""
    drain_timeout: Annotated[Seconds, Field(ge=0)] = 300.0
    """How long answers under way may then take to finish."""
    max_body_bytes: Annotated[int, Field(ge=0, le=2**31)] = 32 * 1024 * 1024
    """Of one request."""
    max_buffered_bytes: Annotated[int, Field(ge=0, le=2**40)] = MAX_BUFFERED_BYTES
    """Of the bodies of all requests together."""
    image_url_hosts: tuple[str, ...] = ()
    """Hosts, as globs, that callers may have engines fetch pictures from. Empty: none."""
    provider_keys_dir: str = "/etc/slipway/provider-keys"
    """Where the keys of external models' providers are mounted."""
    provider_ca_file: str = ""
    """Certificates in PEM that are trusted besides the system's when a provider is called."""
    access_log: bool = True
    """Whether each request is told in a line on the standard output."""
    log_level: _Level = "info"
    """From which level on the program tells what it does."""

    @classmethod
    def load(cls, environ: Mapping[str, str], file: Path | None = None) -> "Settings":
        """Settings from variables and a TOML file; what is in neither takes its default.

        Raises:
            SettingsError: a value or a name is wrong, or the file cannot be read.
        """
        settings = _table(file) if file is not None else {}
        try:
            values, variables = read_variables(environ, settings_of(cls))
            for path, value in values.items():
                _put(settings, path, value)
            return cls.model_validate(settings)
        except UnknownVariableError as error:
            raise SettingsError(str(error)) from None
        except ValidationError as error:
            raise SettingsError(explained(error, cls, variables, str(file or ""))) from None

    def router_options(self) -> RouterOptions:
        """How the router behaves.

        Raises:
            ValueError: a file that a setting names cannot be used, or an address.
        """
        features = Features(**{name: getattr(self, name) for name in Features.model_fields})
        build_identity(KeyStore(), features, time.time)
        if self.tls.cert_file:
            TlsFiles(self.tls.cert_file, self.tls.key_file)
        return RouterOptions(
            max_body_bytes=self.max_body_bytes,
            max_buffered_bytes=self.max_buffered_bytes,
            image_hosts=self.image_url_hosts,
            provider_tls=provider_tls(self.provider_ca_file),
            features=features,
        )

    def lines(self) -> Iterator[str]:
        """All of them as a configuration file, without secrets."""
        section = ""
        for path in sorted(settings_of(Settings), key=lambda path: len(path) > 1):
            if len(path) > 1 and path[0] != section:
                section = path[0]
                yield from ("", f"[{section}]")
            value: Any = self
            for part in path:
                value = getattr(value, part)
            yield f"# {path[-1]}: none" if value is None else f"{path[-1]} = {_as_toml(value)}"


def warnings_of(environ: Mapping[str, str]) -> list[str]:
    """Of variables that look like settings and are none."""
    return suspicious(environ, settings_of(Settings))


def _table(file: Path) -> dict[str, Any]:
    """Raises SettingsError if the file cannot be used."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not TOML: {error}") from None
    except OSError as error:
        raise SettingsError(f"the configuration file {file} cannot be read: {error.strerror}") from None


def _put(settings: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    place = settings
    for section in path[:-1]:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            return  # The file has a value in place of the section, which is an error by itself.
    place[path[-1]] = value


def _as_toml(value: object) -> str:
    """JSON's texts, numbers, lists and booleans are TOML's, too."""
    return without_secrets(json.dumps(value, ensure_ascii=False))
