"""The programs of the stores that routers share: Valkey's server and Redis's, both from Debian."""

import hashlib
import os
import platform
import shutil
from enum import StrEnum
from pathlib import Path
from typing import Final

from tests.cluster import package_sources
from tests.cluster.debian import Package, ensure
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.cluster.shell import run
from tests.kept_folders import kept_folder

_REDIS: Final = (Package("redis-server", "redis-server"),)
_VALKEY: Final = ("valkey-server", "valkey-tools")
_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class StoreProgram(StrEnum):
    """A kind of store, by the name in its program's."""

    VALKEY = "valkey"
    REDIS = "redis"


def store_program(kind: StoreProgram) -> str:
    """The server's path; it is installed if need be.

    Debian 12 has Redis, and Valkey among its backports. The latter is unpacked into the cache: the sources of this
    machine's apt stay as they are. The libraries of both are the same.
    """
    name = f"{kind}-server"
    found = shutil.which(name)
    if found is not None:
        return found
    ensure(_REDIS, Progress())
    if kind is StoreProgram.REDIS:
        return name
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    key = hashlib.sha256(f"{suite} {' '.join(_VALKEY)}".encode()).hexdigest()[:12]
    kept = kept_folder(Paths.from_environment(os.environ).cache / "valkey", key, lambda folder: _unpack(folder, suite))
    return str(kept / "usr" / "bin" / name)


def _unpack(folder: Path, suite: str) -> None:
    """Valkey's packages of ``suite`` or its backports, checked by apt."""
    downloads = folder / "downloads"
    for part in ("lists/partial", "archives/partial"):
        (downloads / part).mkdir(parents=True)
    debian = next(uri for uri, release, _ in map(str.split, package_sources.apt_sources(suite)) if release == suite)
    sources = (f"deb [signed-by={_KEYRING}] {debian} {release} main\n" for release in (suite, f"{suite}-backports"))
    (downloads / "sources.list").write_text("".join(sources))
    options = {
        "Dir::Etc::SourceList": downloads / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": downloads / "lists",
        "Dir::Cache::archives": downloads / "archives",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        # The folder is not for others to write into, root included.
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-q", *(f"--option={name}={value}" for name, value in options.items())]
    run([*apt, "update"], timeout=600)
    run([*apt, "download", *_VALKEY], cwd=downloads, timeout=600)
    for package in downloads.glob("*.deb"):
        run(["dpkg-deb", "--extract", package, folder])
    shutil.rmtree(downloads)
