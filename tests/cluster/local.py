"""The local provider: Kubernetes' own programs on this machine, each node in namespaces of its own."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from tests.cluster import addons, binaries, debian
from tests.cluster.binaries import Binaries
from tests.cluster.errors import ClusterError
from tests.cluster.instance import Instance
from tests.cluster.network import choose_block
from tests.cluster.paths import Paths, locked
from tests.cluster.progress import Progress
from tests.cluster.report import Component, Report
from tests.cluster.shell import Invocation, run
from tests.cluster.waiting import Probe, wait_for

MAX_NODES = 2
_READY_SECONDS = 180


@dataclass(frozen=True)
class Settings:
    """What was decided when the cluster was brought up. ``boot`` tells whether the machine was restarted since."""

    block: int
    nodes: int
    version: str
    boot: str


class LocalProvider:
    """A Kubernetes made of processes; needs root, Linux, Debian packages and a Go toolchain, and no Docker."""

    def __init__(self, paths: Paths, name: str, progress: Progress) -> None:
        self._paths = paths
        self._instance_paths = paths.instance(name)
        self._progress = progress

    def up(self, nodes: int | None = None) -> None:
        """Start what does not run, in the order of dependence, and wait until all of it is healthy."""
        if nodes is not None and not 1 <= nodes <= MAX_NODES:
            raise ClusterError(f"--nodes {nodes}: use 1 to {MAX_NODES}")
        _check_machine()
        debian.ensure(debian.NODE, self._progress)
        built = binaries.ensure(self._paths, binaries.CONTROL_PLANE + binaries.NODE, self._progress)
        with locked(self._lock):
            instance = self._settle(nodes, built)
            instance.prepare()
            self._start(instance)
            self._complete(instance)

    def down(self) -> None:
        """End every process, remove namespaces, mounts, cgroups and files; does nothing when there is nothing."""
        _check_machine()
        with locked(self._lock):
            self._instance(Settings(0, MAX_NODES, "", ""), Binaries(Path(), "")).remove()
            self._lock.unlink()

    def status(self) -> Report:
        """Return the health of each process, node and add-on."""
        settings = self._recorded()
        if settings is None:
            return Report(())
        instance = self._instance(settings, self._built(settings))
        parts = list(instance.status())
        kubectl = instance.kubectl
        checks = {
            "nodes": addons.nodes_ready(kubectl, [node.name for node in instance.nodes]),
            "coredns": addons.coredns_ready(kubectl),
        }
        parts += [Component(name, seen is None, detail=seen or "") for name, seen in checks.items()]
        return Report(tuple(parts))

    def kubeconfig(self) -> Path:
        """Return the administrator's kubeconfig; it works on the host and inside the namespaces."""
        self._require()
        return self._instance_paths.kubeconfig

    def load_images(self, archives: Sequence[Path]) -> None:
        """Import archives into every node's containerd."""
        instance = self._require()
        for archive in archives:
            if not archive.is_file():
                raise ClusterError(f"{archive}: no such file; make it with 'python -m tests.cluster images'")
            for node in instance.nodes:
                with self._progress.step(f"{node.name}: loaded {archive.name}"):
                    run([*_ctr(node.socket), "import", archive], timeout=600)

    def has_images(self, references: Sequence[str]) -> bool:
        """Tell whether every node's containerd has all these images."""
        wanted = set(references)
        return all(wanted <= set(run([*_ctr(node.socket), "list", "-q"]).split()) for node in self._require().nodes)

    def kill_container(self, container_id: str) -> None:
        """Send SIGKILL to the first process of a container, on whichever node it is."""
        for node in self._require().nodes:
            if container_id in run([*_ctr(node.socket, "tasks"), "list", "-q"]).split():
                run([*_ctr(node.socket, "tasks"), "kill", "--signal=SIGKILL", container_id])
                return
        raise ClusterError(f"no node runs the container {container_id}")

    def inside(self, command: Sequence[str]) -> Invocation:
        """Return the command for the first node's network and DNS, with ``KUBECONFIG`` and kubectl on ``PATH``."""
        instance = self._require()
        path = f"{instance.binaries.folder}:{os.environ.get('PATH', '')}"
        environment = {"PATH": path, "KUBECONFIG": str(self._instance_paths.kubeconfig)}
        return Invocation(instance.with_dns(command), environment)

    def _settle(self, nodes: int | None, built: Binaries) -> Instance:
        """Return the instance to bring up: the recorded one if it can be repaired, else a new one on clean ground."""
        recorded = self._recorded()
        if recorded is not None and recorded.version == built.version and recorded.boot == _boot():
            instance = self._instance(recorded, built)
            if instance.intact():
                wider = Settings(**{**asdict(recorded), "nodes": max(nodes or 1, recorded.nodes)})
                return self._instance(self._save(wider), built)
        leftovers = self._instance(Settings(0, MAX_NODES, "", ""), built)
        if leftovers.traces():
            with self._progress.step("removed what an earlier run left"):
                leftovers.remove()
        return self._instance(self._save(Settings(choose_block(), nodes or 1, built.version, _boot())), built)

    def _start(self, instance: Instance) -> None:
        with self._progress.step("API server"):
            instance.start_control_plane()
            instance.await_control_plane()
        with self._progress.step(f"{len(instance.nodes)} node(s)"):
            instance.start_nodes()
            for node in instance.nodes:
                images = set(run([*_ctr(node.socket), "list", "-q"]).split())
                for image in instance.system_images():
                    if image.reference not in images:
                        run([*_ctr(node.socket), "import", image.write(instance.binaries.folder / "images")])
            names = [node.name for node in instance.nodes]
            self._wait(instance, "nodes are Ready", lambda: addons.nodes_ready(instance.kubectl, names))

    def _complete(self, instance: Instance) -> None:
        kubectl = instance.kubectl
        with self._progress.step("GPUs on paper"):
            addons.advertise_gpus(kubectl)
        with self._progress.step("DNS"):
            if addons.coredns_ready(kubectl) is not None:
                addons.apply_coredns(kubectl, instance.coredns_image.reference)
                self._wait(instance, "CoreDNS is available", lambda: addons.coredns_ready(kubectl))
            for node in instance.nodes:
                query = instance.in_network(node.number, sys.executable, addons.DNS_QUERY)
                self._wait(instance, f"DNS answers on {node.name}", partial(addons.answers, query))
        # The API keeps for a while what a component said before it died: ask each component itself.
        self._wait(instance, "every component is healthy", instance.unhealthy)

    def _wait(self, instance: Instance, what: str, probe: Probe) -> None:
        def alive_and_satisfied() -> str | None:
            instance.require_processes()
            return probe()

        wait_for(what, alive_and_satisfied, seconds=_READY_SECONDS)

    def _require(self) -> Instance:
        """Return the running instance, or say how to start it."""
        settings = self._recorded()
        if settings is None:
            raise ClusterError(f"cluster {self._instance_paths.name!r} is down; start it: python -m tests.cluster up")
        return self._instance(settings, self._built(settings))

    def _instance(self, settings: Settings, built: Binaries) -> Instance:
        return Instance(self._instance_paths, settings.block, settings.nodes, built)

    def _built(self, settings: Settings) -> Binaries:
        return Binaries(self._paths.cache / "bin" / settings.version, settings.version)

    def _recorded(self) -> Settings | None:
        try:
            return Settings(**json.loads(self._settings_file.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            # Half a file is what a killed run leaves: as good as none.
            return None

    def _save(self, settings: Settings) -> Settings:
        self._settings_file.parent.mkdir(parents=True, exist_ok=True)
        self._settings_file.write_text(json.dumps(asdict(settings)))
        return settings

    @property
    def _lock(self) -> Path:
        return self._paths.run / f"{self._instance_paths.name}.lock"

    @property
    def _settings_file(self) -> Path:
        return self._instance_paths.run / "settings.json"


def _check_machine() -> None:
    if sys.platform != "linux":
        raise ClusterError("the local provider needs Linux: use --provider kind with Docker, or --provider existing")
    if os.geteuid() != 0:
        raise ClusterError(
            "the local provider makes namespaces and cgroups and needs root: run it as root, or use kind"
        )


def _ctr(socket: Path, what: str = "images") -> list[str]:
    return ["ctr", f"--address={socket}", "--namespace=k8s.io", what]


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
