"""From a source to the path of the weights."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import assert_never

from slipway_crds.engines import EngineType
from slipway_runtime.adapters.fetch.http_parts import fetch_http_parts
from slipway_runtime.adapters.fetch.hub import HubAccess, fetch_hub
from slipway_runtime.adapters.fetch.local import find_demo, find_path
from slipway_runtime.domain.gguf_files import part_names
from slipway_runtime.domain.hub_files import select_files
from slipway_runtime.domain.progress import Progress
from slipway_runtime.domain.sources import DemoSource, HttpSource, HubSource, NoSource, PathSource, Source


def weights_fetcher(
    source: Source, engine: EngineType, cache_dir: Path, hub: HubAccess, arguments: Sequence[str] = ()
) -> Callable[[Progress], Path | None]:
    """A blocking function that brings the weights of ``source`` to this machine and says where they lie.

    ``arguments`` are the engine's, which may say what to take of a repository. The function raises RuntimeFailure, and
    FetchCancelled once its Progress is cancelled.
    """

    def fetch(progress: Progress) -> Path | None:
        match source:
            case NoSource():
                return None
            case PathSource():
                return find_path(source)
            case DemoSource():
                return find_demo(source, engine, cache_dir)
            case HttpSource():
                return fetch_http_parts(source, part_names(source.file_name), cache_dir, progress)
            case HubSource():
                select = partial(select_files, engine, pattern=source.pattern, arguments=arguments)
                return fetch_hub(source, select, cache_dir, progress, hub)
            case _:
                assert_never(source)

    return fetch
