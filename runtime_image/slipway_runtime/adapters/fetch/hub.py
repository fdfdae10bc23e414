"""Repositories of the Hugging Face hub, by the hub's own client: resumable, checked, locked, shared in its cache."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn
from uuid import uuid4

import httpx2

from slipway_crds.conditions import Reason
from slipway_runtime.adapters.fetch.retry import DELAYS, TransientError, with_retries
from slipway_runtime.adapters.fetch.statuses import raise_for_status
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.hub_files import Selection
from slipway_runtime.domain.progress import Progress
from slipway_runtime.domain.sources import HubSource

log = logging.getLogger(__name__)

_LIST_SECONDS: Final = 30.0
_KEY_LENGTH: Final = 16


@dataclass(frozen=True)
class HubAccess:
    """Which hub, and as whom. None is the client's own default."""

    endpoint: str | None = None
    token: str | None = field(default=None, repr=False)


Select = Callable[[Sequence[str]], Selection]


def fetch_hub(source: HubSource, select: Select, cache_dir: Path, progress: Progress, access: HubAccess) -> Path:
    """The file or folder of ``source`` that ``select`` chooses, below ``cache_dir``.

    When the hub cannot be reached, what an earlier start fetched for the same source is used. Raises RuntimeFailure.
    """
    record = _Record(cache_dir, source)
    cached = record.read()
    attempt = partial(_attempt, source, select, cache_dir, progress, access)
    try:
        path = with_retries(attempt, _name(source), progress, delays=DELAYS if cached is None else ())
    except RuntimeFailure as failure:
        if failure.reason is not Reason.FETCH_FAILED or cached is None:
            raise
        log.warning("%s; using what was fetched before: %s", failure.message, cached)
        return cached
    record.write(path)
    return path


def _attempt(source: HubSource, select: Select, cache_dir: Path, progress: Progress, access: HubAccess) -> Path:
    # Imported late: most sources need none of it, and it reads its settings from the environment on import.
    import huggingface_hub
    from huggingface_hub import errors

    try:
        info = huggingface_hub.HfApi(access.endpoint, token=access.token).model_info(
            source.repo, revision=source.revision, files_metadata=True, timeout=_LIST_SECONDS
        )
        sizes = {file.rfilename: file.size for file in info.siblings or []}
        selection = select(list(sizes))
        progress.total = progress.fetched + sum(sizes[name] or 0 for name in selection.files)
        paths = {
            name: huggingface_hub.hf_hub_download(
                source.repo,
                name,
                revision=info.sha,
                cache_dir=cache_dir / "hub",
                endpoint=access.endpoint,
                token=access.token,
                tqdm_class=_progress_bar(progress),
            )
            for name in selection.files
        }
    except errors.HfHubHTTPError as error:
        _raise_for(error, _name(source))
    except (httpx2.TransportError, errors.LocalEntryNotFoundError, errors.FileMetadataError) as error:
        raise TransientError(f"{type(error).__name__}: {error}") from error
    except (errors.HFValidationError, errors.OfflineModeIsEnabled) as error:
        raise RuntimeFailure(Reason.INVALID_CONFIGURATION, f"{_name(source)}: {error}") from error
    except OSError as error:
        message = f"cannot write weights below {cache_dir}: {error.strerror or error}"
        raise RuntimeFailure(Reason.FETCH_FAILED, message) from error
    return _entry(paths, selection)


def _name(source: HubSource) -> str:
    return f"hf://{source.repo}@{source.revision}"


def _entry(paths: dict[str, str], selection: Selection) -> Path:
    if selection.entry:
        return Path(paths[selection.entry])
    name, path = next(iter(paths.items()))
    return Path(path).parents[name.count("/")]


def _raise_for(error: Any, what: str) -> NoReturn:
    from huggingface_hub import errors

    status = error.response.status_code
    if isinstance(error, errors.GatedRepoError):
        message = f"{what} is gated: accept its terms on the hub and give a token (HF_TOKEN) of that account"
        raise RuntimeFailure(Reason.WEIGHTS_FORBIDDEN, message) from error
    if status == 401:
        # The hub answers the same for a missing repository and a private one.
        message = f"{what} does not exist, or it is private and HF_TOKEN is missing or does not allow it (HTTP 401)"
        raise RuntimeFailure(Reason.WEIGHTS_FORBIDDEN, message) from error
    raise_for_status(status, what)


def _progress_bar(progress: Progress) -> type[Any]:
    """A class like tqdm's whose instances show nothing and count into ``progress``."""
    from tqdm import tqdm

    class Bar(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            progress.add(int(n or 0))
            return None

    return Bar


class _Record:
    """Remembers, beside the cache, where the weights of a source lie."""

    def __init__(self, cache_dir: Path, source: HubSource) -> None:
        key = hashlib.sha256(repr(source).encode()).hexdigest()[:_KEY_LENGTH]
        self._path = cache_dir / "hub" / f"source-{key}.path"

    def read(self) -> Path | None:
        try:
            path = Path(self._path.read_text())
        except OSError:
            return None
        return path if path.exists() else None

    def write(self, path: Path) -> None:
        # A name of its own: runtimes that share the cache finish at the same time.
        new = self._path.with_suffix(f".{uuid4().hex}.new")
        try:
            new.write_text(str(path))
            new.replace(self._path)
        except OSError as error:
            new.unlink(missing_ok=True)
            log.warning("cannot note where %s lies, for times without the hub: %s", path, error)
