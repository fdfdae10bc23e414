"""From a source to the path of the weights."""

from collections.abc import Callable
from pathlib import Path
from typing import assert_never

from slipway_runtime.adapters.fetch.local import find_demo, find_path
from slipway_runtime.domain.progress import Progress
from slipway_runtime.domain.sources import DemoSource, HttpSource, HubSource, NoSource, PathSource, Source


def weights_fetcher(source: Source, cache_dir: Path) -> Callable[[Progress], Path | None]:
    """A blocking function that brings the weights of ``source`` to this machine and says where they lie."""

    def fetch(progress: Progress) -> Path | None:
        match source:
            case NoSource():
                return None
            case PathSource():
                return find_path(source)
            case DemoSource():
                return find_demo(source, cache_dir)
            case HttpSource() | HubSource():
                raise NotImplementedError
            case _:
                assert_never(source)

    return fetch
