"""What settings are called: in the environment, in the configuration file, and to people.

The variable of a setting is ``SLIPWAY_``, its section and its name in capitals: ``url`` in ``[store]`` is
``SLIPWAY_STORE_URL``.
"""

from typing import Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

PREFIX: Final = "SLIPWAY_"
CONFIG_VARIABLE: Final = f"{PREFIX}CONFIG"
"""Names the configuration file."""

Path = tuple[str, ...]
"""A setting: its section, if it has one, and its name."""


def settings_of(model: type[BaseModel], above: Path = ()) -> dict[Path, FieldInfo]:
    """Every setting of a model and its sections."""
    found: dict[Path, FieldInfo] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= settings_of(kind, (*above, name))
        else:
            found[(*above, name)] = field
    return found


def variable_of(path: Path) -> str:
    """The variable of a setting."""
    return PREFIX + "_".join(path).upper()


def place_of(path: Path) -> str:
    """A setting or a section as the configuration file writes it: ``[store] url``."""
    return path[0] if len(path) == 1 else f"[{path[0]}] {'.'.join(path[1:])}"
