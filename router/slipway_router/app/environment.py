"""Settings from variables of the environment."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final, get_origin

from pydantic.fields import FieldInfo

from slipway_router.app.setting_names import CONFIG_VARIABLE, PREFIX, Path, variable_of

_OTHER_NAMES: Final = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("telemetry", "otlp_endpoint"),
    "OTEL_SERVICE_NAME": ("telemetry", "service_name"),
}
"""Names that OpenTelemetry gave to settings; ours go first."""
_SERVICE_LINK: Final = re.compile(r"_SERVICE_(HOST|PORT(_.+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$")
_SERVICE_URL: Final = re.compile(r"(tcp|udp|sctp)://")
_SIMILAR: Final = 0.8


Values = dict[Path, str | tuple[str, ...]]


class UnknownVariableError(ValueError):
    """A variable of a section names no setting of it; the message says what there is."""


def read_variables(environ: Mapping[str, str], fields: Mapping[Path, FieldInfo]) -> tuple[Values, dict[Path, str]]:
    """The settings that are variables, and the name of the variable of each.

    Lists are written with commas; an empty variable is as good as none.

    Raises:
        UnknownVariableError: a variable of a section names no setting of it.
    """
    known = {variable_of(path): path for path in fields}
    given = {name: text.strip() for name, text in environ.items() if not _of_a_service(name, text)}
    for name in given:
        if name not in known:
            _check_section(name, known)
    values: Values = {}
    names: dict[Path, str] = {}
    for name, path in (*_OTHER_NAMES.items(), *known.items()):
        if text := given.get(name):
            values[path] = _words(text) if get_origin(fields[path].annotation) is tuple else text
            names[path] = name
    return values, names


def _check_section(name: str, known: Mapping[str, Path]) -> None:
    for section in {path[0] for path in known.values() if len(path) > 1}:
        prefix = variable_of((section, ""))
        if name.startswith(prefix):
            fields = sorted(variable for variable in known if variable.startswith(prefix))
            raise UnknownVariableError(f"{name} is no setting; {nearest(name, fields)}")


def nearest(name: str, known: Iterable[str]) -> str:
    """The advice for a name that is not ``known``."""
    known = list(known)
    near = get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _of_a_service(name: str, text: str) -> bool:
    """Whether Kubernetes made the variable, for a Service whose name begins with ``slipway-``.

    https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
    """
    return _SERVICE_LINK.search(name) is not None or (name.endswith("_PORT") and _SERVICE_URL.match(text) is not None)


def suspicious(environ: Mapping[str, str], paths: Iterable[Path]) -> list[str]:
    """Warnings of variables that are almost the name of a setting, and therefore do nothing."""
    known = [*map(variable_of, paths), CONFIG_VARIABLE]
    warnings: list[str] = []
    for name, text in environ.items():
        if name.startswith(PREFIX) and name not in known and not _of_a_service(name, text):
            near = get_close_matches(name, known, 1, _SIMILAR)
            if near:
                warnings.append(f"{name} is no setting of the router; did you mean {near[0]}?")
    return warnings
