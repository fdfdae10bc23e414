"""The command line of ``python -m tests.cluster``."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.cluster import base_image, binaries, images, release
from tests.cluster.apiserver import ApiServer
from tests.cluster.buildah import Buildah
from tests.cluster.errors import ClusterError
from tests.cluster.local import MAX_NODES
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.cluster.provider import PROVIDERS, Choice

DEFAULT_NAME = "test"


class Commands:
    """One method per command; each returns the exit status."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._paths = Paths.from_environment(os.environ)
        self._progress = Progress()
        self._choice = Choice(self._paths, options.name)
        self._provider = self._choice.provider(options.provider, self._progress)

    def up(self) -> int:
        """Start or repair the cluster."""
        self._provider.up(self._options.nodes)
        self._choice.record(self._provider)
        self._progress.note(f"up; kubeconfig: {self._provider.kubeconfig()}")
        return 0

    def down(self) -> int:
        """Remove the cluster."""
        self._provider.down()
        self._choice.forget()
        return 0

    def status(self) -> int:
        """Show every component; the exit status is 1 unless all are healthy."""
        report = self._provider.status()
        print(report)
        return 0 if report.healthy else 1

    def kubeconfig(self) -> int:
        """Print the path of the administrator's kubeconfig."""
        print(self._provider.kubeconfig())
        return 0

    def load_image(self) -> int:
        """Load image archives into every node."""
        self._provider.load_images([path.resolve() for path in self._options.archives])
        return 0

    def exec(self) -> int:
        """Run a command inside the first node's network."""
        command = _after_dashes(self._options.command)
        if not command:
            raise ClusterError("exec: no command; for example: python -m tests.cluster exec -- kubectl get pods -A")
        invocation = self._provider.inside(command)
        return subprocess.run(invocation.argv, env={**os.environ, **invocation.env}).returncode

    def base_image(self) -> int:
        """Make the base image for buildah and print its name."""
        base_image.ensure(self._paths, Buildah(self._paths), self._progress)
        print(base_image.REFERENCE)
        return 0

    def images(self) -> int:
        """Build Slipway's images and print their names and archives."""
        for image in images.ensure(self._paths, self._options.target or images.TARGETS + images.HEAVY, self._progress):
            print(f"{image.reference}\t{image.archive}")
        return 0

    def install(self) -> int:
        """Install Slipway from this checkout: build and load its images, run helm, wait until it is ready."""
        release.install(self._provider, self._paths, self._progress, _after_dashes(self._options.helm))
        return 0

    def bin(self) -> int:
        """Build what is missing and print the folder of the programs."""
        print(binaries.ensure(self._paths, binaries.CONTROL_PLANE + binaries.NODE, self._progress).folder)
        return 0

    def apiserver(self) -> int:
        """Start, stop or locate the API server that runs alone."""
        server = ApiServer(self._paths, self._options.name, self._progress)
        if self._options.action == "up":
            server.up()
        elif self._options.action == "down":
            server.down()
            return 0
        print(server.kubeconfig)
        return 0


def _after_dashes(arguments: Sequence[str]) -> Sequence[str]:
    """Arguments that were set apart by ``--``, which argparse leaves in front of them."""
    return arguments[1:] if arguments[:1] == ["--"] else arguments


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit status. What goes wrong is told on standard error, with the way out."""
    options = _parser().parse_args(arguments)
    try:
        command: Callable[[], int] = getattr(Commands(options), options.method)
        return command()
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description="A real Kubernetes for tests.")
    parser.add_argument(
        "--name", default=DEFAULT_NAME, help="which cluster, when there are several (default: %(default)s)"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str) -> argparse.ArgumentParser:
        method = name.replace("-", "_")
        text = (getattr(Commands, method).__doc__ or "").split(";")[0].rstrip(".")
        command = commands.add_parser(name, help=text)
        command.set_defaults(method=method)
        command.add_argument("--provider", choices=("auto", *PROVIDERS), default="auto")
        return command

    add("up").add_argument("--nodes", type=int, help=f"at least so many, at most {MAX_NODES} (default: 1)")
    for name in ("down", "status", "kubeconfig", "bin"):
        add(name)
    add("load-image").add_argument("archives", nargs="+", type=Path, metavar="FILE.tar")
    add("base-image")
    add("images").add_argument("--target", action="append", choices=images.KNOWN, help="only this one; repeatable")
    add("install").add_argument(
        "helm", nargs=argparse.REMAINDER, metavar="-- HELM-ARGUMENT …", help="for example -- --set a=b"
    )
    add("exec").add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND …")
    add("apiserver").add_argument("action", choices=("up", "down", "kubeconfig"))
    return parser
