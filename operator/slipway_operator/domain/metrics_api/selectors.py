"""Label selectors as they stand in a query: ``app=x,tier in (a,b),!gone``.

Format: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

Labels = Mapping[str, str]
Selector = Callable[[Labels], bool]

_LONGEST: Final = 4096
_KEY: Final = r"(?P<key>[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?)"
_REQUIREMENT: Final = re.compile(
    rf"\s*(?:"
    rf"(?P<absent>!)\s*{_KEY}"
    rf"|{_KEY.replace('key', 'set')}\s+(?P<how>in|notin)\s*\((?P<values>[^()]*)\)"
    rf"|{_KEY.replace('key', 'name')}(?:\s*(?P<operator>==|=|!=)\s*(?P<value>[A-Za-z0-9._-]*))?"
    rf")\s*(?:,|\Z)"
)


class SelectorError(ValueError):
    """A selector cannot be read; the message says where."""


def parse_selector(text: str) -> Selector:
    """Whether labels match; an empty ``text`` matches all.

    Raises:
        SelectorError: it is no selector.
    """
    if len(text) > _LONGEST:
        raise SelectorError(f"the label selector has {len(text)} characters; write at most {_LONGEST}")
    requirements: list[Selector] = []
    at = 0
    while text[at:].strip():
        found = _REQUIREMENT.match(text, at)
        if found is None:
            raise SelectorError(
                f"no label selector from {text[at : at + 60]!r} on; write for example app=x,tier in (a,b)"
            )
        requirements.append(_requirement(found))
        at = found.end()
    return lambda labels: all(holds(labels) for holds in requirements)


def _requirement(found: re.Match[str]) -> Selector:
    if found["absent"]:
        key = found["key"]
        return lambda labels: key not in labels
    if found["how"]:
        key, values = found["set"], frozenset(value.strip() for value in found["values"].split(","))
        if found["how"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    key, value = found["name"], found["value"]
    if found["operator"] is None:
        return lambda labels: key in labels
    if found["operator"] == "!=":
        return lambda labels: labels.get(key) != value
    return lambda labels: labels.get(key) == value
