"""Network namespaces: every address of a cluster exists only inside them, so no traffic can leave the machine.

The first node is joined to the host by a veth pair, the second one to the first; there is no route out. Addresses come
from 100.64.0.0/10, which is for carriers' inner networks and never meant for a host (RFC 6598).
"""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.shell import run, succeeds

NETWORK_NAMESPACES = Path("/run/netns")
_BLOCKS = 64


@dataclass(frozen=True)
class Link:
    """A /30: ``near`` is the host's (or the first node's) end, ``far`` the node's."""

    near: str
    far: str
    network: str


@dataclass(frozen=True)
class Network:
    """The addresses and namespaces of one cluster. ``block`` keeps clusters on one machine apart."""

    name: str
    block: int

    def link(self, node: int) -> Link:
        """Return the link of a node (numbered from 1)."""
        prefix = f"100.64.{4 * self.block + node - 1}"
        return Link(near=f"{prefix}.1", far=f"{prefix}.2", network=f"{prefix}.0/30")

    def address(self, node: int) -> str:
        """Return the address of a node."""
        return self.link(node).far

    def pod_range(self, node: int) -> str:
        """Return the addresses of a node's pods; other clusters may use the same, in their own namespaces."""
        return f"10.244.{node - 1}.0/24"

    def namespace(self, node: int) -> str:
        """Return the name of a node's network namespace."""
        return f"slipway-{self.name}-{node}"

    def path(self, node: int) -> Path:
        """Return the file that stands for a node's network namespace."""
        return NETWORK_NAMESPACES / self.namespace(node)

    def up(self, nodes: int) -> None:
        """Make the namespaces, links and routes that are not there yet."""
        for node in range(1, nodes + 1):
            if not self.complete(node):
                self._remove(node)
                self._create(node)

    def complete(self, node: int) -> bool:
        """Tell whether a node's namespace exists and has its address and its way out of the node."""
        show = ["ip", "-n", self.namespace(node), "route", "show", "default"]
        return self.path(node).exists() and succeeds(show) and "default" in run(show)

    def down(self) -> None:
        """Remove all namespaces of this cluster; their links and routes go with them."""
        for path in self.present():
            run(["ip", "netns", "delete", path.name])
        # A run killed halfway leaves the host's end of a link whose other end is still in the host's namespace.
        self._delete_near_end(1)

    def present(self) -> list[Path]:
        """Return the namespaces of this cluster that exist."""
        return sorted(NETWORK_NAMESPACES.glob(f"slipway-{self.name}-[0-9]"))

    def device(self, node: int) -> str:
        """Return the name of the near end of a node's link."""
        return f"slip-{self.name}-{node}"

    def _outer(self, node: int) -> list[str]:
        """Return ``ip`` for the place that holds the near end of a node's link."""
        return ["ip"] if node == 1 else ["ip", "-n", self.namespace(1)]

    def _remove(self, node: int) -> None:
        if self.path(node).exists():
            run(["ip", "netns", "delete", self.namespace(node)])
        self._delete_near_end(node)

    def _delete_near_end(self, node: int) -> None:
        link = [*self._outer(node), "link"]
        # The kernel removes a deleted namespace's links by and by: this one may go between a look and the deletion.
        if not succeeds([*link, "delete", self.device(node)]) and succeeds([*link, "show", self.device(node)]):
            raise ClusterError(f"the link {self.device(node)} cannot be deleted")

    def _create(self, node: int) -> None:
        name, link, device, outer = self.namespace(node), self.link(node), self.device(node), self._outer(node)
        inner = ["ip", "-n", name]
        run(["ip", "netns", "add", name])
        run([*outer, "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", name])
        run([*outer, "address", "add", f"{link.near}/30", "dev", device])
        run([*outer, "link", "set", device, "up"])
        run([*inner, "address", "add", f"{link.far}/30", "dev", "eth0"])
        run([*inner, "link", "set", "eth0", "up"])
        run([*inner, "link", "set", "lo", "up"])
        run(["nsenter", f"--net={self.path(node)}", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"])
        # Service addresses are rewritten by iptables, which happens only to packets that have a route.
        gateway = link.far if node == 1 else link.near
        run([*inner, "route", "add", "default", "via", gateway, "dev", "eth0"])
        if node > 1:
            run([*outer, "route", "replace", self.pod_range(node), "via", link.far])
            run(["ip", "route", "replace", link.network, "via", self.address(1)])


def choose_block() -> int:
    """Return the first block of addresses that no interface of this machine uses."""
    interfaces = json.loads(run(["ip", "-json", "-4", "address", "show"]))
    used = {address["local"] for interface in interfaces for address in interface.get("addr_info", [])}
    for block in range(_BLOCKS):
        if Network("", block).link(1).near not in used:
            return block
    raise ClusterError(f"all {_BLOCKS} blocks of 100.64.0.0/16 are in use: take clusters down (status shows them)")
