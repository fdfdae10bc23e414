"""Where weights come from: the URI of ``spec.model.source`` as a value."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from slipway_crds.conditions import Reason
from slipway_crds.names import PVC_MOUNT_ROOT
from slipway_runtime.domain.failure import RuntimeFailure

_HUB: Final = re.compile(r"^(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^/@]+))?(?:/(?P<path>.+))?$")
_SHA256: Final = re.compile(r"^sha256=([0-9a-fA-F]{64})$")
_LATER: Final = ("s3", "gs", "oci")


@dataclass(frozen=True)
class PathSource:
    """Files that are there already: ``file:///PATH``, or ``pvc://CLAIM/PATH`` at the claim's mount point."""

    path: PurePosixPath


@dataclass(frozen=True)
class HttpSource:
    """One file: ``http(s)://HOST/PATH``, optionally with ``#sha256=HEX``."""

    url: str
    sha256: str | None

    @property
    def file_name(self) -> str:
        """The last part of the URL's path."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name

    def beside(self, name: str) -> "HttpSource":
        """The file ``name`` in the same folder, with the same query."""
        parts = urlsplit(self.url)
        return HttpSource(urlunsplit(parts._replace(path=f"{parts.path.rpartition('/')[0]}/{quote(name)}")), None)

    @property
    def display_url(self) -> str:
        """The URL for logs and messages: without user, password and query, which may hold secrets."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


@dataclass(frozen=True)
class HubSource:
    """A repository of the Hugging Face hub: ``hf://ORG/REPO[@REVISION][/FILE-OR-PATTERN]``."""

    repo: str
    revision: str
    pattern: str | None
    """A file of the repository, or a glob."""


@dataclass(frozen=True)
class DemoSource:
    """A model that ships with the runtime: ``demo://NAME``."""

    name: str


@dataclass(frozen=True)
class NoSource:
    """``demo://dummy``: the dummy engine's model, which has no weights."""


Source = PathSource | HttpSource | HubSource | DemoSource | NoSource


def parse_source(uri: str) -> Source:
    """The source that ``uri`` names. Raises RuntimeFailure (InvalidConfiguration, NotImplemented)."""
    scheme, separator, rest = uri.partition("://")
    if not separator or not rest:
        raise _invalid(uri, "write for example hf://org/repo, https://host/model.gguf or file:///models/name")
    match scheme:
        case "file":
            return PathSource(_absolute(uri, rest))
        case "pvc":
            return PathSource(_inside_claim(uri, rest))
        case "http" | "https":
            return _http(uri)
        case "hf":
            return _hub(uri, rest)
        case "demo":
            return NoSource() if rest == "dummy" else DemoSource(rest)
        case _ if scheme in _LATER:
            message = (
                f"model source {uri!r}: {scheme}:// is not supported by this runtime yet; use hf, https, pvc or file"
            )
            raise RuntimeFailure(Reason.NOT_IMPLEMENTED, message)
        case _:
            raise _invalid(uri, f"{scheme}:// is unknown; use hf, http, https, pvc, file or demo")


def _absolute(uri: str, rest: str) -> PurePosixPath:
    path = PurePosixPath(unquote(rest))
    if not path.is_absolute():
        raise _invalid(uri, "a file source is an absolute path, with three slashes: file:///models/name")
    return path


def _inside_claim(uri: str, rest: str) -> PurePosixPath:
    path = PurePosixPath(unquote(rest))
    if ".." in path.parts:
        raise _invalid(uri, "a pvc source must not contain '..'; write pvc://claim/path/in/the/volume")
    return PurePosixPath(PVC_MOUNT_ROOT) / path


def _http(uri: str) -> HttpSource:
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError as error:
        raise _invalid(uri, f"it is not a URL ({error})") from error
    sha256 = None
    if parts.fragment:
        match = _SHA256.match(parts.fragment)
        if match is None:
            raise _invalid(uri, "after '#' comes sha256= and the file's 64 hexadecimal digits, or nothing")
        sha256 = match[1].lower()
    source = HttpSource(urlunsplit(parts._replace(fragment="")), sha256)
    if (
        not parts.hostname
        or parts.path.endswith("/")
        or source.file_name in ("", ".", "..")
        or "\0" in source.file_name
    ):
        raise _invalid(uri, "it must name a host and a file: https://host/folder/model.gguf")
    return source


def _hub(uri: str, rest: str) -> HubSource:
    match = _HUB.match(rest)
    if match is None:
        raise _invalid(uri, "a hub source is hf://org/repo, hf://org/repo@revision or hf://org/repo/file.gguf")
    return HubSource(match["repo"], match["revision"] or "main", match["path"])


def _invalid(uri: str, advice: str) -> RuntimeFailure:
    return RuntimeFailure(Reason.INVALID_CONFIGURATION, f"model source {uri!r}: {advice}")
