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
from tests.cluster.errors import ClusterError
from tests.cluster.paths import Paths, locked
from tests.cluster.progress import Progress
from tests.cluster.shell import run

REFERENCE = "docker.io/library/debian:bookworm-slim"
SUITE = "bookworm"
PACKAGES = ("ca-certificates", "python3", "python3-venv")

_LABEL = "slipway.dev/base"
_STRIPPED = (
    "etc/apt/sources.list",
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
    version = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    debian.ensure(debian.IMAGES, progress)
    folder = paths.cache / "base"
    with locked(folder / "lock"):
        sources = _sources()
        (folder / "sources.list").write_text("".join(f"deb {source}\n" for source in sources))
        archive = folder / f"{SUITE}-{version}.tar"
        if not archive.exists():
            with progress.step(f"{REFERENCE}: debootstrap"):
                for old in folder.glob("*.tar"):
                    old.unlink()
                _debootstrap(archive, mirror=sources[0].split()[0])
        if buildah.label(REFERENCE, _LABEL) != version:
            with progress.step(f"{REFERENCE}: into buildah's storage"):
                _import(buildah, archive, version)
    return version


def _sources() -> list[str]:
    """Return what apt on this machine knows of the suite, as ``URI RELEASE COMPONENT``, the suite itself first."""
    template = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    lines = run(["apt-get", "indextargets", "--format", template, "Created-By: Packages"]).splitlines()
    found = sorted(
        {line for line in lines if line.split()[1].partition("-")[0] == SUITE}, key=lambda line: line.split()[1]
    )
    if not found or found[0].split()[1] != SUITE:
        raise ClusterError(
            f"apt's sources on this machine have no suite {SUITE}: add it, or build the images with Docker"
        )
    return found


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
        run(
            [
                "tar",
                "--create",
                f"--file={unfinished}",
                "--numeric-owner",
                "--exclude=./dev/*",
                f"--directory={root}",
                ".",
            ]
        )
        unfinished.replace(archive)


def _import(buildah: Buildah, archive: Path, version: str) -> None:
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix="context-") as name:
        context = Path(name)
        (context / "base.tar").hardlink_to(archive)
        (context / "Dockerfile").write_text(
            f'FROM scratch\nADD base.tar /\nLABEL {_LABEL}={version}\nCMD ["bash"]\n',
        )
        buildah.build(context, f"--tag={REFERENCE}")
