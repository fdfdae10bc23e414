"""What is wrong with settings, in words that say where and what to write instead."""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from slipway_router.app.environment import nearest
from slipway_router.app.setting_names import Path, place_of, settings_of

_ADVICE: Final = {
    "int_parsing": "write a whole number",
    "int_type": "write a whole number",
    "int_from_float": "write a whole number",
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
    "string_type": "write a text",
    "tuple_type": 'write a list, such as ["a", "b"]',
    "literal_error": "write {expected}",
    "greater_than": "write a number greater than {gt}",
    "greater_than_equal": "write a number from {ge} on",
    "less_than": "write a number less than {lt}",
    "less_than_equal": "write a number up to {le}",
}
_OF_NUMBERS: Final = frozenset({"int_parsing", "greater_than_equal", "less_than_equal"})
_PASSWORD: Final = re.compile(r"(?<=://)[^\s'\"]*(?=@)|(?<=[?&]password=)[^&\s'\"]*")


def without_secrets(text: str) -> str:
    """A text without the users and passwords of the URLs in it."""
    return _PASSWORD.sub("***", text)


def explained(error: ValidationError, model: type[BaseModel], variables: Mapping[Path, str], file: str) -> str:
    """One line for each thing that is wrong. ``variables`` names those of the settings that are not from the file."""
    return "\n".join(_line(details, model, variables, file) for details in error.errors())


def _line(details: ErrorDetails, model: type[BaseModel], variables: Mapping[Path, str], file: str) -> str:
    known = settings_of(model)
    path = _known_part(tuple(str(part) for part in details["loc"]), known)
    where = variables.get(path) or (f"{file}: {place_of(path)}" if file else place_of(path))
    kind, found = details["type"], _shown(details["input"])
    if kind == "value_error":
        if path not in known:
            where = f"[{path[0]}]"
        return f"{where}: {without_secrets(str(details['ctx']['error']))}"
    if kind == "extra_forbidden":
        beside = [other[-1] for other in known if other[:-1] == path[:-1]]
        beside += sorted({other[0] for other in known if len(path) == 1 and len(other) > 1})
        return f"{where} is no setting; {nearest(path[-1], beside)}"
    if kind == "model_type":
        return f"{where} is {found}; it is a section: write [{path[0]}] on a line of its own"
    advice = _ADVICE.get(kind, details["msg"]).format(**details.get("ctx", {}))
    if kind in _OF_NUMBERS and path in known:
        advice = _bounds(known[path].metadata) or advice
    return f"{where} is {found}; {advice}"


def _known_part(loc: Path, known: Mapping[Path, Any]) -> Path:
    """The setting in a place that may lie inside of its value."""
    return next((loc[:length] for length in range(1, len(loc)) if loc[:length] in known), loc)


def _shown(value: object) -> str:
    return without_secrets(repr(value))


def _bounds(metadata: list[Any]) -> str:
    least = next((item.ge for item in metadata if hasattr(item, "ge")), None)
    most = next((item.le for item in metadata if hasattr(item, "le")), None)
    return f"write a number from {least} to {most}" if least is not None and most is not None else ""
