"""Every call of the data port, in one table.

From it come the allow-list of paths, who may call what, the bodies that are accepted, the OpenAPI document and the
reference. A path that stands neither here nor below a mount is answered with 404.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from slipway_router.domain.api.chat import SESSIONS, SIMPLE
from slipway_router.domain.api.entries import Entry
from slipway_router.domain.api.inference import INFERENCE
from slipway_router.domain.api.management import ADMIN, DOCUMENTS, HEALTH, MODELS
from slipway_router.domain.api.usage import USAGE

TABLE: Final[tuple[Entry, ...]] = (*INFERENCE, *MODELS, *SIMPLE, *SESSIONS, *ADMIN, *USAGE, *HEALTH, *DOCUMENTS)
SOCKET_PATHS: Final = frozenset(path.encode() for entry in TABLE if entry.socket for path in entry.paths)
"""Where a connection may become a WebSocket."""


def by_path(entries: Iterable[Entry]) -> Mapping[str, tuple[Entry, ...]]:
    """The entries of each path, aliases too; inference first where one path has both."""
    paths: dict[str, list[Entry]] = {}
    for entry in entries:
        for path in entry.paths:
            paths.setdefault(path, []).append(entry)
    return MappingProxyType({path: tuple(found) for path, found in paths.items()})
