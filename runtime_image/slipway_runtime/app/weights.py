"""From a source to the path of the weights."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import assert_never

from slipway_crds.engines import EngineType
from slipway_runtime.adapters.fetch.http import fetch_http
from slipway_runtime.adapters.fetch.hub import HubAccess, fetch_hub
from slipway_runtime.adapters.fetch.local import find_demo, find_path
from slipway_runtime.domain.hub_files import select_files
from slipway_runtime.domain.progress import Progress
from slipway_runtime.domain.sources import DemoSource, HttpSource, HubSource, NoSource, PathSource, Source


def weights_fetcher(
    source: Source, engine: EngineType, cache_dir: Path, hub: HubAccess
) -> Callable[[Progress], Path | None]:
    """A blocking function that brings the weights of ``source`` to this machine and says where they lie.

    The function raises RuntimeFailure, and FetchCancelled once its Progress is cancelled.
    """

    def fetch(progress: Progress) -> Path | None:
        match source:
            case NoSource():
                return None
            case PathSource():
                return find_path(source)
            case DemoSource():
                return find_demo(source, cache_dir)
            case HttpSource():
                return fetch_http(source, cache_dir, progress)
            case HubSource():
                select = partial(select_files, engine, pattern=source.pattern)
                return fetch_hub(source, select, cache_dir, progress, hub)
            case _:
                assert_never(source)

    return fetch
