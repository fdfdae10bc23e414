"""A model in several files behind one address."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from slipway_runtime.adapters.fetch.http import fetch_http
from slipway_runtime.domain.progress import Progress
from slipway_runtime.domain.sources import HttpSource


def fetch_http_parts(source: HttpSource, parts: Sequence[str], cache_dir: Path, progress: Progress) -> Path:
    """The file of ``source``, with the other ``parts`` in its folder. Raises RuntimeFailure.

    ``parts`` are names of files beside the source's; where it is the only one, this is `fetch_http`. A checksum of the
    source holds for the file that its address names.
    """
    path = fetch_http(source, cache_dir, progress)
    for name in parts:
        if name != path.name:
            other = fetch_http(source.beside(name), cache_dir, progress)
            with contextlib.suppress(FileExistsError):  # of an earlier start, or a replica beside
                path.with_name(name).symlink_to(other)
    return path
