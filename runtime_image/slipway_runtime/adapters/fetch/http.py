"""One file by HTTP into the cache: resumable, checked, written once for all replicas that share the cache."""

import errno
import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import filelock
import httpx2

from slipway_crds.conditions import Reason
from slipway_runtime.adapters.fetch.retry import TransientError, with_retries
from slipway_runtime.adapters.fetch.statuses import raise_for_status
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.progress import Progress
from slipway_runtime.domain.sources import HttpSource

log = logging.getLogger(__name__)

_BUFFER: Final = 1024 * 1024
_TIMEOUT: Final = httpx2.Timeout(30.0, connect=10.0)
_LOCK_POLL: Final = 0.5
_KEY_LENGTH: Final = 16
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+)")
"""First byte and size of the whole file (RFC 9110, 14.4)."""


def fetch_http(source: HttpSource, cache_dir: Path, progress: Progress) -> Path:
    """The file of ``source`` below ``cache_dir``, downloaded unless it is there.

    A cached file is taken as it is: weights do not change under their address. Raises RuntimeFailure.
    """
    key = hashlib.sha256(f"{source.url}#{source.sha256}".encode()).hexdigest()[:_KEY_LENGTH]
    target = cache_dir / "http" / key / source.file_name
    with _disk_errors(cache_dir):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target.with_name(f"{target.name}.lock"), progress):
            if not target.exists():
                download = _Download(source, target, progress)
                with_retries(download.attempt, source.display_url, progress)
                download.finish()
    return target


class _Download:
    """One file's way into the cache: ``NAME.partial`` grows until it is whole, then it becomes ``NAME``."""

    def __init__(self, source: HttpSource, target: Path, progress: Progress) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._partial = target.with_name(f"{target.name}.partial")
        self._validator = target.with_name(f"{target.name}.partial.json")

    def attempt(self) -> None:
        """Fetch what is missing. Raises TransientError when the connection fails on the way."""
        try:
            with (
                httpx2.Client(timeout=_TIMEOUT, follow_redirects=True) as client,
                client.stream("GET", self._source.url, headers=self._resume_headers()) as answer,
            ):
                self._receive(answer)
        except (httpx2.TransportError, httpx2.TooManyRedirects) as error:
            raise TransientError(f"{type(error).__name__}: {error}") from error

    def finish(self) -> None:
        """Check the whole file and give it its name."""
        if self._source.sha256 is not None:
            with self._partial.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != self._source.sha256:
                self._discard()
                message = f"{self._source.display_url} has sha256 {found}, but model.source says {self._source.sha256}"
                raise RuntimeFailure(Reason.WEIGHTS_INVALID, message)
        self._partial.replace(self._target)
        self._validator.unlink(missing_ok=True)

    def _resume_headers(self) -> dict[str, str]:
        # Compressed, the bytes on the wire would not be those of the file.
        headers = {"Accept-Encoding": "identity"}
        have = self._have()
        if have and (validator := self._read_validator()):
            # If-Range: the rest only if the file is still the one of which we have the beginning.
            headers |= {"Range": f"bytes={have}-", "If-Range": validator}
        return headers

    def _receive(self, answer: httpx2.Response) -> None:
        if answer.status_code == httpx2.codes.RANGE_NOT_SATISFIABLE:
            self._discard()
            raise TransientError("the part fetched before does not fit the file; starting anew")
        if not answer.is_success:
            raise_for_status(answer.status_code, self._source.display_url)
        resumed = answer.status_code == httpx2.codes.PARTIAL_CONTENT
        whole = self._whole_size(answer.headers) if resumed else None
        length = answer.headers.get("Content-Length")
        missing = int(length) if length else None
        if whole is not None:
            missing = whole - self._have()
        self._progress.total = None if missing is None else self._progress.fetched + missing
        self._write_validator(answer.headers)
        with self._partial.open("ab" if resumed else "wb", _BUFFER) as file:
            # Pieces as they arrive: what a broken connection brought must not be lost with it.
            for chunk in answer.iter_raw():
                file.write(chunk)
                self._progress.add(len(chunk))
            file.flush()
            os.fsync(file.fileno())
        if whole is not None and self._have() < whole:
            raise TransientError(f"the server sent {self._have()} of {whole} bytes")

    def _whole_size(self, headers: httpx2.Headers) -> int:
        """The size of the file of which a range has come. Raises TransientError if it is not the range asked for."""
        match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
        if match is None or int(match[1]) != self._have():
            self._discard()
            raise TransientError("the server answered with another part of the file than asked for; starting anew")
        return int(match[2])

    def _have(self) -> int:
        return self._partial.stat().st_size if self._partial.exists() else 0

    def _discard(self) -> None:
        self._partial.unlink(missing_ok=True)
        self._validator.unlink(missing_ok=True)

    def _read_validator(self) -> str | None:
        try:
            return str(json.loads(self._validator.read_text())["validator"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _write_validator(self, headers: httpx2.Headers) -> None:
        etag = headers.get("ETag", "")
        # A weak ETag does not promise the same bytes.
        validator = headers.get("Last-Modified") if not etag or etag.startswith("W/") else etag
        if validator:
            # Not the URL, which may hold secrets: the folder is the URL's own already.
            self._validator.write_text(json.dumps({"validator": validator}))
        else:
            self._validator.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    lock = filelock.FileLock(path)
    while True:
        try:
            lock.acquire(timeout=_LOCK_POLL)
            break
        except filelock.Timeout:
            # Another replica is fetching the same file; when it is done, it is there for us too.
            progress.check()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _disk_errors(cache_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        advice = "; raise cache.size" if error.errno == errno.ENOSPC else ""
        message = f"cannot write weights below {cache_dir}: {error.strerror or error}{advice}"
        raise RuntimeFailure(Reason.FETCH_FAILED, message) from error
