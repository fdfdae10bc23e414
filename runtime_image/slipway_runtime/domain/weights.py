"""What a fetch brings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True)
class Weights:
    """Where the files of a model lie."""

    model: Path | None
    """None for an engine without weights."""
    adapters: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))
    """Folders of LoRA adapters, by the names that callers use."""
