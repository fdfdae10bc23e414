"""The images of Slipway, built from the Dockerfile at the root of the repository."""

import hashlib
from collections.abc import Mapping, Sequence
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
"""Gigabytes each, nearly all in a layer that they share: they are built, archived and loaded together."""
_SHARED_STAGE = "torch"
_BUILD_SECONDS = 3600
TAG_LENGTH = 12


@dataclass(frozen=True)
class _Bundle:
    """Targets whose images have one archive."""

    name: str
    targets: tuple[str, ...]
    kept: int = 1
    """How many builds keep their archives."""


_BUNDLES = (
    *(_Bundle(target, (target,), kept=3) for target in TARGETS),
    _Bundle("runtime-heavy", HEAVY),
    _Bundle("runtime-vllm", ("runtime-vllm",)),
)


@dataclass(frozen=True)
class Image:
    """A built image and the archive that it is in, alone or with others."""

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

    def save(self, references: Sequence[str], archive: Path) -> None:
        """Write built images to an archive that containerd can import."""

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

    def save(self, references: Sequence[str], archive: Path) -> None:
        """Write one built image to a Docker archive, or several to one of OCI's, where they share layers."""
        if len(references) == 1:
            self._buildah.save(references[0], archive)
        else:
            self._buildah.save_together(references, archive)

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

    def save(self, references: Sequence[str], archive: Path) -> None:
        """Write built images to a Docker archive."""
        unfinished = archive.with_suffix(".part")
        run(["docker", "save", f"--output={unfinished}", *references], timeout=_BUILD_SECONDS)
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
    asked = [bundle for bundle in _BUNDLES if set(targets) & set(bundle.targets)]
    images = {bundle: _images(folder, bundle) for bundle in asked}
    with locked(folder / "lock"):
        lacking = [bundle for bundle in asked if not _archive(images[bundle]).exists()]
        builder = _builder(paths, progress) if lacking else None
        for bundle in lacking:
            assert builder is not None
            _build(builder, bundle, images[bundle], progress)
    found = {target: image for bundle in asked for target, image in images[bundle].items()}
    return [found[target] for target in targets]


def _images(folder: Path, bundle: _Bundle) -> dict[str, Image]:
    """The images of a bundle by their targets."""
    references = {target: reference(target) for target in bundle.targets}
    tags = [name.rpartition(":")[2] for name in references.values()]
    tag = tags[0] if len(tags) == 1 else hashlib.sha256(" ".join(tags).encode()).hexdigest()[:TAG_LENGTH]
    archive = folder / f"slipway-{bundle.name}-{tag}.tar"
    return {target: Image(name, archive) for target, name in references.items()}


def _archive(images: Mapping[str, Image]) -> Path:
    (archive,) = {image.archive for image in images.values()}
    return archive


def _builder(paths: Paths, progress: Progress) -> Builder:
    return DockerBuilder() if docker_runs() else BuildahBuilder(paths, progress)


def _build(builder: Builder, bundle: _Bundle, images: Mapping[str, Image], progress: Progress) -> None:
    archive = _archive(images)
    for target, image in images.items():
        with progress.step(f"built {image.reference}"):
            builder.build(ROOT, target, image.reference)
    with progress.step(f"wrote {archive.name}"):
        builder.save([image.reference for image in images.values()], archive)
    _prune(builder, bundle, images)


def _prune(builder: Builder, bundle: _Bundle, images: Mapping[str, Image]) -> None:
    """Drop all but the newest archives of a bundle, which hold whole images, and other builds in the storage."""
    named = _archive(images).parent.glob(f"slipway-{bundle.name}-{'[0-9a-f]' * TAG_LENGTH}.tar")
    for archive in sorted(named, key=lambda file: file.stat().st_mtime)[: -bundle.kept]:
        archive.unlink()
    for image in images.values():
        for other in builder.built(image.repository):
            if other != image.reference:
                builder.remove(other)
