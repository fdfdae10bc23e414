"""The interface of everything that can provide a Kubernetes, and the choice between them."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.cluster.docker import docker_runs
from tests.cluster.errors import ClusterError
from tests.cluster.existing import ExistingProvider
from tests.cluster.kind import KindProvider
from tests.cluster.local import LocalProvider
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.cluster.report import Report
from tests.cluster.shell import Invocation

PROVIDERS = ("local", "kind", "existing")


class Provider(Protocol):
    """Provides one Kubernetes cluster. Every method raises :class:`ClusterError` when it cannot do what it says."""

    def up(self, nodes: int | None) -> None:
        """Make the cluster run and healthy, with at least ``nodes`` nodes; quick when it is already."""

    def down(self) -> None:
        """Remove the cluster and all its traces."""

    def status(self) -> Report:
        """Tell what runs and whether it is healthy."""

    def kubeconfig(self) -> Path:
        """Return the administrator's kubeconfig."""

    def load_images(self, archives: Sequence[Path]) -> None:
        """Make the images of archives (Docker's or OCI's) available on every node."""

    def has_images(self, references: Sequence[str]) -> bool:
        """Tell whether every node has all these images."""

    def kill_container(self, container_id: str) -> None:
        """Send SIGKILL to the first process of a container, from outside: inside it cannot be killed so."""

    def inside(self, command: Sequence[str]) -> Invocation:
        """Return the command for running where pod and Service addresses can be reached, if there is such a place."""


@dataclass(frozen=True)
class Choice:
    """Which provider serves the cluster ``name``; remembered until it is taken down."""

    paths: Paths
    name: str

    def provider(self, wanted: str, progress: Progress) -> Provider:
        """Return the provider ``wanted``: ``auto`` means the one in use, else kind where Docker runs, else local."""
        kind = wanted if wanted != "auto" else self._recorded() or _best()
        if kind == "local":
            return LocalProvider(self.paths, self.name, progress)
        if kind == "kind":
            return KindProvider(self.paths, self.name, progress)
        return ExistingProvider(self.paths, os.environ.get("KUBECONFIG"))

    def record(self, provider: Provider) -> None:
        """Remember the provider for later commands."""
        names = {LocalProvider: "local", KindProvider: "kind", ExistingProvider: "existing"}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(names[type(provider)])

    def forget(self) -> None:
        """Forget the provider: the cluster is down."""
        self._file.unlink(missing_ok=True)

    @property
    def _file(self) -> Path:
        return self.paths.run / f"{self.name}.provider"

    def _recorded(self) -> str | None:
        try:
            recorded = self._file.read_text().strip()
        except FileNotFoundError:
            return None
        if recorded not in PROVIDERS:
            raise ClusterError(f"{self._file} names {recorded!r}, not one of {', '.join(PROVIDERS)}: delete the file")
        return recorded


def _best() -> str:
    return "kind" if shutil.which("kind") is not None and docker_runs() else "local"
