"""buildah with a storage of its own, so that the machine's images stay as they are."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.paths import Paths
from tests.cluster.shell import run, succeeds

_BUILD_SECONDS = 3600
_KEPT_STEPS = 60
_FAST = ("--compression-format=zstd", "--compression-level=1")
"""Gigabytes are sooner written and read like this than by gzip, and as small."""


class Buildah:
    """Builds images without a daemon. Needs root."""

    def __init__(self, paths: Paths) -> None:
        storage = paths.cache / "buildah"
        # In a mount namespace, so that no mount stays behind, not even when it is killed.
        self._command = ["unshare", "--mount", "buildah", f"--root={storage}", f"--runroot={paths.run}/buildah"]

    def build(self, context: Path, *arguments: str) -> None:
        """Run ``buildah build`` on ``context``; base images must be in the storage already.

        Processes of the build are only put into another root folder (``chroot``), which needs fewer rights than a
        container, and use the host's network.
        """
        options = ["--pull=never", "--isolation=chroot", "--network=host", "--layers", "--force-rm", "--format=docker"]
        environment = {"BUILDAH_LAYERS": "true"}
        run(["nice", *self._command, "build", *options, *arguments, context], env=environment, timeout=_BUILD_SECONDS)

    def exists(self, reference: str) -> bool:
        """Tell whether the storage has an image of this name."""
        return succeeds([*self._command, "inspect", "--type=image", reference])

    def label(self, reference: str, key: str) -> str | None:
        """Return a label of an image, ``None`` if there is no such image or label."""
        if not self.exists(reference):
            return None
        template = f'{{{{index .Docker.Config.Labels "{key}"}}}}'
        return run([*self._command, "inspect", "--type=image", f"--format={template}", reference]).strip() or None

    def tagged(self, repository: str) -> list[str]:
        """Return the names, with their tags, of a repository's images in the storage."""
        lines = run([*self._command, "images", "--format={{.Name}}:{{.Tag}}"]).split()
        return [line for line in lines if line.rpartition(":")[0] == repository]

    def save(self, reference: str, archive: Path) -> None:
        """Write an image to a Docker archive."""
        unfinished = archive.with_suffix(".part")
        unfinished.unlink(missing_ok=True)
        run([*self._command, "push", "--quiet", reference, f"docker-archive:{unfinished}:{reference}"], timeout=600)
        unfinished.replace(archive)

    def save_together(self, references: Sequence[str], archive: Path) -> None:
        """Write images to an archive in OCI's layout, in which a layer that several of them have is there once."""
        layout, unfinished = archive.with_suffix(".layout"), archive.with_suffix(".part")
        shutil.rmtree(layout, ignore_errors=True)
        for reference in references:
            run([*self._command, "push", "--quiet", *_FAST, reference, f"oci:{layout}:{reference}"], timeout=600)
        run(["tar", "--create", f"--file={unfinished}", f"--directory={layout}", "."], timeout=600)
        shutil.rmtree(layout)
        unfinished.replace(archive)

    def trim(self) -> None:
        """Forget the cached steps of builds when there are very many of them; the next build makes its own anew."""
        unnamed = run([*self._command, "images", "--quiet", "--filter=dangling=true"]).split()
        if len(unnamed) > _KEPT_STEPS:
            run([*self._command, "rmi", "--prune", "--force"], timeout=600)

    def remove(self, reference: str) -> None:
        """Remove an image from the storage if it is there."""
        if self.exists(reference):
            run([*self._command, "rmi", reference])
