"""Debian packages that the local cluster needs."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.progress import Progress
from tests.cluster.shell import run

_POLICY = Path("/usr/sbin/policy-rc.d")
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Package:
    """A Debian package and a file or program that tells whether it is there."""

    name: str
    provides: str

    def present(self) -> bool:
        """Tell whether what the package provides is on this machine, whoever installed it."""
        if self.provides.startswith("/"):
            return Path(self.provides).exists()
        return shutil.which(self.provides, path=f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}") is not None


ETCD = (Package("etcd-server", "etcd"),)
NODE = (
    *ETCD,
    Package("containerd", "containerd"),
    Package("runc", "runc"),
    Package("containernetworking-plugins", "/usr/lib/cni/bridge"),
    Package("conntrack", "conntrack"),
    Package("iptables", "iptables"),
    Package("ipset", "ipset"),
    Package("ethtool", "ethtool"),
    Package("socat", "socat"),
    Package("iproute2", "ip"),
    Package("util-linux", "nsenter"),
)
PROMETHEUS = (Package("prometheus", "prometheus"),)
IMAGES = (Package("buildah", "buildah"), Package("debootstrap", "debootstrap"))


def ensure(packages: Sequence[Package], progress: Progress) -> None:
    """Install the packages that are missing.

    Raises :class:`ClusterError` naming them when this user or this system cannot install packages.
    """
    missing = [package.name for package in packages if not package.present()]
    if not missing:
        return
    names = " ".join(missing)
    if shutil.which("apt-get") is None:
        raise ClusterError(
            f"missing programs of the Debian packages {names}, and there is no apt-get here: install them"
        )
    if os.geteuid() != 0:
        raise ClusterError(f"missing Debian packages; run: sudo apt-get install --no-install-recommends {names}")
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    with progress.step(f"installed {names}"), _services_stay_stopped():
        run(["apt-get", "update", "-q"], env=environment, timeout=600)
        run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing], env=environment, timeout=1200)


@contextmanager
def _services_stay_stopped() -> Iterator[None]:
    """Keep packages from starting their services: the cluster runs private instances only."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)
