"""The existing provider: a cluster that somebody else runs."""

from collections.abc import Sequence
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.binaries import Binaries
from tests.cluster.errors import ClusterError
from tests.cluster.kubectl import Kubectl
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.cluster.report import Component, Report
from tests.cluster.shell import Invocation


class ExistingProvider:
    """The cluster that ``$KUBECONFIG`` names. It is never started, changed or stopped."""

    def __init__(self, paths: Paths, kubeconfig: str | None) -> None:
        self._paths = paths
        self._kubeconfig = kubeconfig

    def up(self, nodes: int | None = None) -> None:
        """Check that the cluster answers and has as many nodes as wanted."""
        found = len(self._kubectl().get("nodes")["items"])
        if found < (nodes or 1):
            raise ClusterError(f"{self.kubeconfig()}: {found} node(s), {nodes} wanted: add nodes to that cluster")

    def down(self) -> None:
        """Do nothing: the cluster is not ours."""

    def status(self) -> Report:
        """Tell whether the API server is ready."""
        seen = self._kubectl().ready()
        return Report((Component("API server", seen is None, detail=seen or ""),))

    def kubeconfig(self) -> Path:
        """Return ``$KUBECONFIG``."""
        if not self._kubeconfig or not Path(self._kubeconfig).is_file():
            raise ClusterError("--provider existing needs KUBECONFIG to be the path of one kubeconfig file")
        return Path(self._kubeconfig)

    def load_images(self, archives: Sequence[Path]) -> None:
        """Explain why it is not possible."""
        names = ", ".join(archive.name for archive in archives)
        raise ClusterError(f"cannot load {names} into a foreign cluster: push the images to a registry it pulls from")

    def has_images(self, references: Sequence[str]) -> bool:
        """Assume so: nodes pull what they lack."""
        return True

    def kill_container(self, container_id: str) -> None:
        """Explain why it is not possible."""
        raise ClusterError(f"cannot kill the container {container_id}: its node is out of reach")

    def inside(self, command: Sequence[str]) -> Invocation:
        """Return the command with ``KUBECONFIG`` set: pod and Service addresses may be out of reach."""
        return Invocation(list(command), {"KUBECONFIG": str(self.kubeconfig())})

    def _kubectl(self) -> Kubectl:
        return Kubectl(_program(self._paths), self.kubeconfig())


def _program(paths: Paths) -> Path:
    built: Binaries = binaries.ensure(paths, ("kubectl",), Progress())
    return built["kubectl"]
