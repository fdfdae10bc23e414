"""Engine arguments: from the flags of ``spec.engine.args`` to typed options."""

import difflib
from collections.abc import Iterator, Sequence
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from slipway_crds.conditions import Reason
from slipway_runtime.domain.failure import RuntimeFailure


class EngineOptions(BaseModel):
    """Base of an engine's options: the field ``ctx_size`` is the flag ``--ctx-size``."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


Options = TypeVar("Options", bound=EngineOptions)


def parse_arguments(engine: str, arguments: Sequence[str], kind: type[Options]) -> Options:
    """Read ``--flag=value``, ``--flag value`` and, for switches, ``--flag`` into ``kind``.

    Raises RuntimeFailure (InvalidConfiguration) that names the flag, and lists the known ones if it is not one.
    """
    switches = {name for name, field in kind.model_fields.items() if field.annotation is bool}
    values: dict[str, str | bool] = {}
    for flag, value in _pairs(engine, arguments, switches):
        name = flag.removeprefix("--").replace("-", "_")
        if name not in kind.model_fields:
            raise _unknown(engine, flag, kind)
        if name in values:
            raise _invalid(f"{engine} argument {flag} is given twice; keep one")
        values[name] = value
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        where = flag_name(str(problem["loc"][0])) if problem["loc"] else "arguments"
        given = f" (given: {problem['input']!r})" if problem["loc"] else ""
        raise _invalid(f"{engine} argument {where}: {problem['msg']}{given}") from error


def flag_name(field: str) -> str:
    """The flag that sets ``field``."""
    return "--" + field.replace("_", "-")


def _pairs(engine: str, arguments: Sequence[str], switches: set[str]) -> Iterator[tuple[str, str | bool]]:
    rest = list(arguments)
    while rest:
        flag, has_value, value = rest.pop(0).partition("=")
        if not flag.startswith("--") or flag == "--":
            raise _invalid(f"{engine} argument {flag!r} is not a flag; write it as --name=value")
        if has_value:
            yield flag, value
        elif flag.removeprefix("--").replace("-", "_") in switches:
            yield flag, True
        elif rest and not rest[0].startswith("--"):
            yield flag, rest.pop(0)
        else:
            raise _invalid(f"{engine} argument {flag} lacks its value; write {flag}=VALUE")


def _unknown(engine: str, flag: str, kind: type[EngineOptions]) -> RuntimeFailure:
    known = [flag_name(name) for name in kind.model_fields]
    near = difflib.get_close_matches(flag, known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return _invalid(f"{engine} does not know the argument {flag}; {hint}known: {', '.join(known) or 'none'}")


def _invalid(message: str) -> RuntimeFailure:
    return RuntimeFailure(Reason.INVALID_CONFIGURATION, message)
