"""One node: containerd, kubelet and kube-proxy, their configuration and commands."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.binaries import Binaries
from tests.cluster.controlplane import POD_RANGE
from tests.cluster.network import Network
from tests.cluster.paths import InstancePaths, write_changed

CLUSTER_DNS = "10.96.0.10"
CLUSTER_DOMAIN = "cluster.local"


@dataclass(frozen=True)
class Node:
    """The node numbered ``number`` (from 1) of a cluster."""

    number: int
    paths: InstancePaths
    network: Network
    binaries: Binaries
    kubelet_cgroup: str
    pause_image: str

    @property
    def name(self) -> str:
        """The name of the node in Kubernetes."""
        return f"node{self.number}"

    @property
    def address(self) -> str:
        """The node's address."""
        return self.network.address(self.number)

    @property
    def run(self) -> Path:
        """Folder of the node's sockets."""
        return self.paths.run / self.name

    @property
    def state(self) -> Path:
        """Folder of the node's configuration and data."""
        return self.paths.state / self.name

    @property
    def socket(self) -> Path:
        """The socket of containerd."""
        return self.run / "containerd.sock"

    @property
    def mount_namespace(self) -> Path:
        """The file that stands for the node's mount namespace."""
        return self.run / "ns" / "mnt"

    def inside(self, *argv: str | Path) -> list[str]:
        """Return ``argv`` prefixed so that it runs in the node's network and mount namespaces.

        Not ``ip netns exec``: that one mounts /sys anew, and the kubelet then finds no cgroups.
        """
        network = self.network.path(self.number)
        return ["nsenter", f"--net={network}", f"--mount={self.mount_namespace}", *(str(word) for word in argv)]

    def containerd(self) -> list[str]:
        """Return the command of containerd."""
        return self.inside("containerd", "--config", self.state / "containerd.toml")

    def kubelet(self) -> list[str]:
        """Return the command of the kubelet."""
        return self.inside(
            self.binaries["kubelet"],
            f"--config={self.state}/kubelet.yaml",
            f"--kubeconfig={self.state}/kubelet.kubeconfig",
            f"--hostname-override={self.name}",
            f"--node-ip={self.address}",
        )

    def kube_proxy(self) -> list[str]:
        """Return the command of kube-proxy."""
        return self.inside(
            self.binaries["kube-proxy"], f"--config={self.state}/kube-proxy.yaml", f"--hostname-override={self.name}"
        )

    def configure(self) -> None:
        """Write the configuration files of the three programs."""
        cni = self.state / "cni.d"
        self.run.mkdir(parents=True, exist_ok=True)
        write_changed(cni / "10-bridge.conflist", json.dumps(self._cni(), indent=2))
        write_changed(self.state / "containerd.toml", self._containerd_config(cni))
        write_changed(self.state / "kubelet.yaml", yaml.safe_dump(self._kubelet_config()))
        write_changed(self.state / "kube-proxy.yaml", yaml.safe_dump(self._kube_proxy_config()))

    def _cni(self) -> dict[str, Any]:
        addresses = {
            "type": "host-local",
            "ranges": [[{"subnet": self.network.pod_range(self.number)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False, "hairpinMode": True}
        plugins = [{**bridge, "ipam": addresses}, {"type": "portmap", "capabilities": {"portMappings": True}}]
        return {"cniVersion": "0.4.0", "name": "slipway", "plugins": plugins}

    def _containerd_config(self, cni: Path) -> str:
        # restrict_oom_score_adj: machines without CAP_SYS_RESOURCE refuse the scores that containers ask for, and every
        # sandbox would die with "can't get final child's PID from pipe".
        return f"""\
version = 2
[grpc]
  address = "{self.socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{self.pause_image}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "{shutil.which("runc") or "/usr/sbin/runc"}"
"""

    def _kubelet_config(self) -> dict[str, Any]:
        pki = self.paths.pki
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            # Kubelets that share a root end each other's pods as orphans.
            "cgroupRoot": self.kubelet_cgroup,
            "enforceNodeAllocatable": [],
            "oomScoreAdj": 0,
            "clusterDNS": [CLUSTER_DNS],
            "clusterDomain": CLUSTER_DOMAIN,
            "resolvConf": "/dev/null",
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "tlsCertFile": f"{pki}/{self.name}.crt",
            "tlsPrivateKeyFile": f"{pki}/{self.name}.key",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{pki}/ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "healthzBindAddress": self.address,
            # Ready, and GPUs on paper, are seen sooner; the default is 10 s.
            "nodeStatusUpdateFrequency": "2s",
            # Images come from this machine only: none may be collected, however full the disk is.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"nodefs.available": "1%"},
            "failSwapOn": False,
        }

    def _kube_proxy_config(self) -> dict[str, Any]:
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": f"{self.paths.state}/kube-proxy.kubeconfig"},
            "clusterCIDR": POD_RANGE,
            "mode": "iptables",
            "healthzBindAddress": f"{self.address}:10256",
            # The size of the connection table belongs to the host.
            "conntrack": {"maxPerCore": 0, "min": 0},
            "oomScoreAdj": 0,
        }
