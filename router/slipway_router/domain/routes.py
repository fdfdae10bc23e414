"""The paths of the inference API: which task each asks for, and what it is called at the engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from slipway_crds.engines import Task


@dataclass(frozen=True, slots=True)
class Route:
    """An operation on a model; all of them are POST with a JSON body that names the model."""

    path: str
    """The path at the engine, and the main one at the router."""
    task: Task
    aliases: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Label in metrics and logs."""
        return self.path


ROUTES: Final = (
    Route("/v1/chat/completions", Task.CHAT, ("/chat/completions",)),
    Route("/v1/completions", Task.COMPLETIONS, ("/completions",)),
    Route("/v1/embeddings", Task.EMBEDDINGS, ("/embeddings",)),
    Route("/v1/rerank", Task.RERANK),
)
"""Only these are forwarded: an engine's other paths (its admin and debug ones) stay out of reach."""


def _by_path() -> Mapping[bytes, Route]:
    paths = {path.encode(): route for route in ROUTES for path in (route.path, *route.aliases)}
    return MappingProxyType(paths)


BY_PATH: Final[Mapping[bytes, Route]] = _by_path()
"""Route of each path, as it stands in the request line."""
