"""Whether a live object still is what was applied: fields that others added do not count, fields of ours do."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

_SUFFIXES: Final = {
    "m": Decimal("0.001"),
    "": Decimal(1),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}
_QUANTITY: Final = re.compile(r"^([0-9.]+(?:e[0-9]+)?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$")
_QUANTITY_MAPS: Final = frozenset({"requests", "limits"})
_QUANTITY_FIELDS: Final = frozenset({"averageValue", "sizeLimit"})


def parse_quantity(value: str | int) -> Decimal | None:
    """The number that a Kubernetes quantity stands for; None when it is not one."""
    match = _QUANTITY.match(str(value))
    if match is None:
        return None
    try:
        return Decimal(match[1]) * _SUFFIXES[match[2] or ""]
    except InvalidOperation:
        return None


def holds(desired: Any, live: Any) -> bool:
    """Whether everything in ``desired`` is in ``live``.

    Lists whose items have names are compared by name, since the API server merges them so; other lists item by item.
    Empty objects, lists and texts equal missing ones, and quantities are compared as numbers: the API server drops
    the former and rewrites the latter.
    """
    return _holds(desired, live, quantity=False)


def _holds(desired: Any, live: Any, *, quantity: bool) -> bool:
    if live is None and desired in ("", {}, []):
        return True
    if isinstance(desired, Mapping):
        return isinstance(live, Mapping) and all(_field_holds(name, value, live) for name, value in desired.items())
    if isinstance(desired, list):
        return isinstance(live, list) and _items_hold(desired, live)
    if quantity and live is not None:
        return desired == live or parse_quantity(desired) == parse_quantity(live)
    return bool(desired == live)


def _field_holds(name: str, value: Any, live: Mapping[str, Any]) -> bool:
    if name in _QUANTITY_MAPS and isinstance(value, Mapping) and isinstance(live.get(name), Mapping):
        return all(_holds(amount, live[name].get(key), quantity=True) for key, amount in value.items())
    return _holds(value, live.get(name), quantity=name in _QUANTITY_FIELDS)


def _items_hold(desired: Sequence[Any], live: Sequence[Any]) -> bool:
    if desired and all(isinstance(item, Mapping) and "name" in item for item in [*desired, *live]):
        by_name = {item["name"]: item for item in live}
        return all(_holds(item, by_name.get(item["name"]), quantity=False) for item in desired)
    return len(desired) == len(live) and all(
        _holds(wanted, found, quantity=False) for wanted, found in zip(desired, live, strict=True)
    )
