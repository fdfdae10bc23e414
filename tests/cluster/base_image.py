"""The Debian base image, made on this machine where no image registry can be reached.

It carries the name that Dockerfiles use, so one Dockerfile serves Docker, which pulls it, and buildah, which finds it.
Python is in it; installing it again in a Dockerfile does no harm.
"""

import hashlib
import shutil
import tempfile
from pathlib import Path

from tests.cluster import debian
from tests.cluster.buildah import Buildah
from tests.cluster.package_sources import apt_sources
from tests.cluster.paths import Paths, locked
from tests.cluster.progress import Progress
from tests.cluster.shell import run

REFERENCE = "docker.io/library/debian:bookworm-slim"
SUITE = "bookworm"
PACKAGES = ("ca-certificates", "python3", "python3-venv")

_LABEL = "slipway.dev/base"
_STRIPPED = (
    "etc/apt/sources.list",
    "etc/hostname",
    "etc/resolv.conf",
    "var/cache/apt/archives",
    "var/cache/apt/pkgcache.bin",
    "var/cache/apt/srcpkgcache.bin",
    "var/lib/apt/lists",
    "var/log",
    "usr/share/doc",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
)
_KEPT_EMPTY = ("etc/apt/sources.list.d", "var/cache/apt/archives/partial", "var/lib/apt/lists/partial", "var/log/apt")
_SECONDS = 1800


def ensure(paths: Paths, buildah: Buildah, progress: Progress) -> str:
    """Put the base image into buildah's storage unless it is there; return a hash of what it is made from.

    Raises :class:`ClusterError` when this machine has no Debian source for :data:`SUITE`.
    """
    recipe = repr((SUITE, PACKAGES, _STRIPPED, _KEPT_EMPTY))
    version = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    debian.ensure(debian.IMAGES, progress)
    folder = paths.cache / "base"
    with locked(folder / "lock"):
        archive = folder / f"{SUITE}-{version}.tar"
        if not archive.exists():
            with progress.step(f"{REFERENCE}: debootstrap"):
                for old in folder.glob("*.tar"):
                    old.unlink()
                _debootstrap(archive, mirror=apt_sources(SUITE)[0].split()[0])
        if buildah.label(REFERENCE, _LABEL) != version:
            with progress.step(f"{REFERENCE}: into buildah's storage"):
                _import(buildah, archive, version)
    return version


def _debootstrap(archive: Path, *, mirror: str) -> None:
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix="root-") as name:
        root = Path(name)
        include = f"--include={','.join(PACKAGES)}"
        run(["nice", "debootstrap", "--variant=minbase", include, SUITE, root, mirror], timeout=_SECONDS)
        for stripped in _STRIPPED:
            path = root / stripped
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        for kept in _KEPT_EMPTY:
            (root / kept).mkdir(parents=True, exist_ok=True)
        unfinished = archive.with_suffix(".part")
        options = ("--numeric-owner", "--exclude=./dev/*", f"--directory={root}")
        run(["tar", "--create", f"--file={unfinished}", *options, "."])
        unfinished.replace(archive)


def _import(buildah: Buildah, archive: Path, version: str) -> None:
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix="context-") as name:
        context = Path(name)
        (context / "base.tar").hardlink_to(archive)
        (context / "Dockerfile").write_text(
            f'FROM scratch\nADD base.tar /\nLABEL {_LABEL}={version}\nCMD ["bash"]\n',
        )
        buildah.build(context, f"--tag={REFERENCE}")
