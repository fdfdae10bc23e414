"""The parts of a local cluster: what there is, in which order it starts, and how it is removed."""

import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from tests.cluster import pki
from tests.cluster.archives import ScratchImage
from tests.cluster.binaries import Binaries
from tests.cluster.cgroups import CgroupTree
from tests.cluster.controlplane import KUBERNETES_SERVICE, ControlPlane
from tests.cluster.health import answers, listening
from tests.cluster.kubectl import Kubectl, write_certificate_kubeconfig
from tests.cluster.mounts import MountNamespace
from tests.cluster.network import Network
from tests.cluster.node import CLUSTER_DNS, CLUSTER_DOMAIN, Node
from tests.cluster.paths import InstancePaths, write_changed
from tests.cluster.processes import Processes
from tests.cluster.report import Component
from tests.cluster.waiting import wait_for

_START_SECONDS = 90


class Instance:
    """One local cluster with fixed settings."""

    def __init__(self, paths: InstancePaths, block: int, nodes: int, binaries: Binaries) -> None:
        self.binaries = binaries
        self._paths = paths
        self._network = Network(paths.name, block)
        self._cgroups = CgroupTree(paths.name)
        self._processes = Processes(paths.processes, paths.logs)
        self._node_count = nodes
        self._control_plane = ControlPlane(binaries, paths.pki, paths.state / "etcd", self._network.address(1))

    @property
    def kubectl(self) -> Kubectl:
        """The administrator's kubectl."""
        return Kubectl(self.binaries["kubectl"], self._paths.kubeconfig)

    @property
    def nodes(self) -> list[Node]:
        """The nodes."""
        return [self._node(number) for number in range(1, self._node_count + 1)]

    @property
    def pause_image(self) -> ScratchImage:
        """The image that holds a pod's namespaces open."""
        return ScratchImage("pause", self.binaries["pause"])

    @property
    def coredns_image(self) -> ScratchImage:
        """The image of the cluster's DNS."""
        return ScratchImage("coredns", self.binaries["coredns"])

    def system_images(self) -> list[ScratchImage]:
        """Return the images that the cluster itself needs on every node."""
        return [self.pause_image, self.coredns_image]

    def in_network(self, node: int, *argv: str) -> list[str]:
        """Return ``argv`` prefixed so that it runs in a node's network."""
        return ["nsenter", f"--net={self._network.path(node)}", *argv]

    def with_dns(self, command: Sequence[str]) -> list[str]:
        """Return ``command`` prefixed so that it runs in the first node's network and asks the cluster's DNS."""
        script = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'
        return self.in_network(1, "unshare", "--mount", "sh", "-c", script, "sh", str(self._resolver), *command)

    def intact(self) -> bool:
        """Tell whether namespaces and certificates are as they were left, so that starting what died is enough."""
        return not pki.expires_soon(self._paths.pki) and all(
            self._network.complete(node.number) and self._mounts(node).exists() for node in self.nodes
        )

    def traces(self) -> bool:
        """Tell whether anything of this cluster is on the machine, running or not."""
        folders = [self._paths.run, self._paths.state, *self._cgroups.folders(), *self._network.present()]
        return any(folder.exists() for folder in folders)

    def prepare(self) -> None:
        """Make namespaces, cgroups, certificates and configuration that are not there yet."""
        self._network.up(self._node_count)
        self._cgroups.create(*(node.name for node in self.nodes))
        pki.ensure(self._paths.pki, self._leaves())
        for client, target in self._kubeconfigs().items():
            write_certificate_kubeconfig(target, server=self._control_plane.server, pki=self._paths.pki, client=client)
        write_changed(self._resolver, f"nameserver {CLUSTER_DNS}\nsearch svc.{CLUSTER_DOMAIN} {CLUSTER_DOMAIN}\n")
        for node in self.nodes:
            node.configure()
            if not self._mounts(node).exists():
                self._mounts(node).create()

    def start_control_plane(self) -> None:
        """Start etcd and the API server."""
        self._ensure("etcd", self.in_network(1, *self._control_plane.etcd()))
        self._ensure("kube-apiserver", self.in_network(1, *self._control_plane.api_server()))

    def await_control_plane(self) -> None:
        """Wait for the API server and start what needs it."""
        wait_for("API server is ready", self._api_ready, seconds=_START_SECONDS)
        state = self._paths.state
        manager = self._control_plane.controller_manager(state / "kube-controller-manager.kubeconfig")
        self._ensure("kube-controller-manager", self.in_network(1, *manager))
        scheduler = self._control_plane.scheduler(state / "kube-scheduler.kubeconfig")
        self._ensure("kube-scheduler", self.in_network(1, *scheduler))

    def start_nodes(self) -> None:
        """Start every node's containerd, then its kube-proxy and kubelet."""
        for node in self.nodes:
            self._ensure(f"{node.name}-containerd", node.containerd())
        for node in self.nodes:
            wait_for(f"containerd of {node.name} listens", partial(listening, node.socket), seconds=30)
            self._ensure(f"{node.name}-kube-proxy", node.kube_proxy())
            self._ensure(f"{node.name}-kubelet", node.kubelet())

    def require_processes(self) -> None:
        """Raise with the end of its log if a process that was started has died."""
        for name in self._processes.names():
            self._processes.require(name)

    def status(self) -> Iterator[Component]:
        """Yield the state of each process."""
        address = self._control_plane.address
        urls = {
            "kube-controller-manager": f"https://{address}:10257/healthz",
            "kube-scheduler": f"https://{address}:10259/healthz",
            **{f"{node.name}-kubelet": f"http://{node.address}:10248/healthz" for node in self.nodes},
            **{f"{node.name}-kube-proxy": f"http://{node.address}:10256/healthz" for node in self.nodes},
        }
        for name in self._processes.names():
            record = self._processes.record(name)
            if record is None or not record.alive():
                yield Component(name, healthy=False, detail=f"ended; see {self._processes.log(name)}")
                continue
            seen = self.kubectl.ready() if name in ("etcd", "kube-apiserver") else None
            seen = answers(urls[name]) if name in urls else seen
            yield Component(name, seen is None, record.pid, seen or "")

    def unhealthy(self) -> str | None:
        """Probe of the processes: ``None`` when all are healthy, else what is wrong with them."""
        return "; ".join(f"{part.name}: {part.detail}" for part in self.status() if not part.healthy) or None

    def remove(self) -> None:
        """Remove every trace of the cluster. What runs is found by its cgroup, so a reused pid is never ended."""
        if self._cgroups.folders():
            self._cgroups.kill()
            self._cgroups.remove()
        for name in self._processes.names():
            self._processes.stop(name, grace=0)
        for node in self.nodes:
            self._mounts(node).remove()
        self._network.down()
        shutil.rmtree(self._paths.run, ignore_errors=True)
        shutil.rmtree(self._paths.state, ignore_errors=True)

    @property
    def _resolver(self) -> Path:
        return self._paths.state / "resolv.conf"

    def _ensure(self, name: str, argv: list[str]) -> None:
        if not self._processes.alive(name):
            self._processes.start(name, argv, cgroup=self._cgroups.daemons())

    def _api_ready(self) -> str | None:
        for name in ("etcd", "kube-apiserver"):
            self._processes.require(name)
        return self.kubectl.ready()

    def _node(self, number: int) -> Node:
        cgroup = self._cgroups.kubelet_root(f"node{number}")
        pause = self.pause_image.reference if self.binaries["pause"].exists() else ""
        return Node(number, self._paths, self._network, self.binaries, cgroup, pause)

    def _mounts(self, node: Node) -> MountNamespace:
        return MountNamespace(node.mount_namespace, node.state)

    def _leaves(self) -> Iterator[pki.Leaf]:
        yield from pki.control_plane_leaves(("127.0.0.1", KUBERNETES_SERVICE, self._control_plane.address))
        for component in ("kube-controller-manager", "kube-scheduler", "kube-proxy"):
            yield pki.Leaf(component, f"system:{component}")
        for node in self.nodes:
            addresses = ("127.0.0.1", node.address)
            yield pki.Leaf(node.name, f"system:node:{node.name}", ("system:nodes",), (node.name,), addresses)

    def _kubeconfigs(self) -> dict[str, Path]:
        state = self._paths.state
        components = ("kube-controller-manager", "kube-scheduler", "kube-proxy")
        return {
            "admin": self._paths.kubeconfig,
            **{component: state / f"{component}.kubeconfig" for component in components},
            **{node.name: node.state / "kubelet.kubeconfig" for node in self.nodes},
        }
