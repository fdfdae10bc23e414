"""Command lines of the control plane."""

from dataclasses import dataclass
from pathlib import Path

from tests.cluster.binaries import Binaries

SERVICE_RANGE = "10.96.0.0/16"
KUBERNETES_SERVICE = "10.96.0.1"
POD_RANGE = "10.244.0.0/16"


@dataclass(frozen=True)
class ControlPlane:
    """Where the control plane listens and keeps its files."""

    binaries: Binaries
    pki: Path
    data: Path
    address: str
    port: int = 6443
    etcd_port: int = 2379
    etcd_peer_port: int = 2380
    route_to_endpoints: bool = True
    """Whether aggregated APIs are reached at the endpoints of their Service; else at its cluster address or name."""

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return f"https://{self.address}:{self.port}"

    def etcd(self) -> list[str]:
        """Return the command of etcd, which listens on loopback only."""
        client = f"http://127.0.0.1:{self.etcd_port}"
        return [
            "etcd",
            f"--data-dir={self.data}",
            "--unsafe-no-fsync",  # the data need not survive the machine
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls=http://127.0.0.1:{self.etcd_peer_port}",
            "--log-level=warn",
            "--logger=zap",
        ]

    def api_server(self) -> list[str]:
        """Return the command of the API server, with RBAC and the aggregation layer on."""
        pki = self.pki
        return [
            str(self.binaries["kube-apiserver"]),
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            f"--bind-address={self.address}",
            f"--secure-port={self.port}",
            f"--advertise-address={self.address}",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            f"--client-ca-file={pki}/ca.crt",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={pki}/sa.pub",
            f"--service-account-signing-key-file={pki}/sa.key",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
            f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
            # Without it, logs and exec look node names up in DNS.
            "--kubelet-preferred-address-types=InternalIP",
            f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-allowed-names=front-proxy-client",
            f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
            f"--proxy-client-key-file={pki}/front-proxy-client.key",
            f"--enable-aggregator-routing={str(self.route_to_endpoints).lower()}",
        ]

    def controller_manager(self, kubeconfig: Path) -> list[str]:
        """Return the command of the controller manager."""
        return [
            str(self.binaries["kube-controller-manager"]),
            *self._component(kubeconfig),
            f"--service-account-private-key-file={self.pki}/sa.key",
            f"--root-ca-file={self.pki}/ca.crt",
            "--use-service-account-credentials",
            # Tests of autoscaling wait for it; the default is 15 s.
            "--horizontal-pod-autoscaler-sync-period=5s",
        ]

    def scheduler(self, kubeconfig: Path) -> list[str]:
        """Return the command of the scheduler."""
        return [str(self.binaries["kube-scheduler"]), *self._component(kubeconfig)]

    def _component(self, kubeconfig: Path) -> list[str]:
        return [
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            f"--bind-address={self.address}",
            "--leader-elect=false",
        ]
