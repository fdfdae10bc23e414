"""The kind provider: a cluster in Docker containers."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from tests.cluster import addons, binaries
from tests.cluster.docker import docker_runs
from tests.cluster.errors import ClusterError
from tests.cluster.kubectl import Kubectl
from tests.cluster.paths import Paths, locked
from tests.cluster.progress import Progress
from tests.cluster.report import Component, Report
from tests.cluster.shell import Invocation, run
from tests.cluster.waiting import wait_for

NODE_IMAGE = f"kindest/node:{binaries.KUBERNETES}"
_CREATE_SECONDS = 900


class KindProvider:
    """A kind cluster of the same Kubernetes version; needs Docker and the ``kind`` program."""

    def __init__(self, paths: Paths, name: str, progress: Progress) -> None:
        self._paths = paths
        self._instance = paths.instance(name)
        self._cluster = f"slipway-{name}"
        self._progress = progress

    def up(self, nodes: int | None = None) -> None:
        """Create the cluster unless it exists, and give it its GPUs on paper."""
        if shutil.which("kind") is None or not docker_runs():
            raise ClusterError("the kind provider needs a running Docker and the kind program: install both")
        with locked(self._paths.run / f"{self._instance.name}.lock"):
            if self._cluster not in self._clusters():
                with self._progress.step(f"kind cluster {self._cluster}"):
                    self._create(nodes or 1)
            names = self._nodes()
            if len(names) < (nodes or 1):
                raise ClusterError(f"{self._cluster} has {len(names)} node(s): take it down to change that")
            self._write_kubeconfig()
            kubectl = self._kubectl()
            wait_for("nodes are Ready", lambda: addons.nodes_ready(kubectl, names), seconds=180)
            addons.advertise_gpus(kubectl)

    def down(self) -> None:
        """Delete the cluster."""
        run(["kind", "delete", "cluster", "--name", self._cluster], timeout=_CREATE_SECONDS)
        self._instance.kubeconfig.unlink(missing_ok=True)

    def status(self) -> Report:
        """Tell whether the nodes are ready."""
        if self._cluster not in self._clusters():
            return Report(())
        seen = addons.nodes_ready(self._kubectl(), self._nodes())
        return Report((Component("nodes", seen is None, detail=seen or ""),))

    def kubeconfig(self) -> Path:
        """Return the administrator's kubeconfig."""
        if not self._instance.kubeconfig.exists():
            raise ClusterError(f"{self._cluster} is down; start it: python -m tests.cluster up --provider kind")
        return self._instance.kubeconfig

    def load_images(self, archives: Sequence[Path]) -> None:
        """Load archives into every node."""
        for archive in archives:
            with self._progress.step(f"loaded {archive.name}"):
                run(["kind", "load", "image-archive", archive, "--name", self._cluster], timeout=_CREATE_SECONDS)

    def has_images(self, references: Sequence[str]) -> bool:
        """Tell whether every node has all these images."""
        listing = ["ctr", "--namespace=k8s.io", "images", "list", "-q"]
        found = (set(run(["docker", "exec", node, *listing]).split()) for node in self._nodes())
        return all(set(references) <= images for images in found)

    def kill_container(self, container_id: str) -> None:
        """Send SIGKILL to the first process of a container, on whichever node it is."""
        tasks = ["ctr", "--namespace=k8s.io", "tasks"]
        for node in self._nodes():
            if container_id in run(["docker", "exec", node, *tasks, "list", "-q"]).split():
                run(["docker", "exec", node, *tasks, "kill", "--signal=SIGKILL", container_id])
                return
        raise ClusterError(f"no node runs the container {container_id}")

    def inside(self, command: Sequence[str]) -> Invocation:
        """Return the command with ``KUBECONFIG`` set: pod addresses are inside Docker's network."""
        return Invocation(list(command), {"KUBECONFIG": str(self.kubeconfig())})

    def _create(self, nodes: int) -> None:
        roles = ["control-plane", *["worker"] * (nodes - 1)]
        config = {
            "kind": "Cluster",
            "apiVersion": "kind.x-k8s.io/v1alpha4",
            "nodes": [{"role": role, "image": NODE_IMAGE} for role in roles],
        }
        argv = ["kind", "create", "cluster", "--name", self._cluster, "--config=-", "--wait=180s"]
        run(argv, stdin=yaml.safe_dump(config), timeout=_CREATE_SECONDS)

    def _write_kubeconfig(self) -> None:
        self._instance.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        self._instance.kubeconfig.touch(mode=0o600)
        self._instance.kubeconfig.write_text(run(["kind", "get", "kubeconfig", "--name", self._cluster]))

    def _clusters(self) -> list[str]:
        return run(["kind", "get", "clusters"]).split()

    def _nodes(self) -> list[str]:
        return run(["kind", "get", "nodes", "--name", self._cluster]).split()

    def _kubectl(self) -> Kubectl:
        return Kubectl(binaries.ensure(self._paths, ("kubectl",), self._progress)["kubectl"], self._instance.kubeconfig)
