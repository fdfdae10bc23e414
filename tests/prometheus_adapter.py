"""A real prometheus-adapter beside an API server, built from its Go module."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import yaml

from tests.cluster.apiserver import ApiServer
from tests.cluster.paths import Paths
from tests.cluster.shell import run
from tests.eventually import eventually
from tests.go_modules import PROMETHEUS_ADAPTER
from tests.kept_folders import kept_folder
from tests.metrics_apis import remove_api_services, service_on_loopback
from tests.runtimes import free_port

SERVICE: Final = "prometheus-adapter"
_API_SERVICE: Final = "v1beta2.custom.metrics.k8s.io"
_BUILD_SECONDS: Final = 3600


@contextmanager
def prometheus_adapter(
    server: ApiServer, namespace: str, paths: Paths, folder: Path, rules: Path, prometheus_port: int
) -> Iterator[Path]:
    """It serves the custom metrics API by ``rules`` for the length of a ``with`` block. Gives its log."""
    port, log, config = free_port(), folder / "adapter.log", server.kubeconfig
    command = [
        str(_program(paths)),
        f"--config={rules}",
        f"--prometheus-url=http://127.0.0.1:{prometheus_port}",
        "--metrics-relist-interval=1s",
        "--metrics-max-age=60s",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder / 'certificates'}",
        *(f"--{what}-kubeconfig={config}" for what in ("lister", "authentication", "authorization")),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        server.kubectl.apply(service_on_loopback(namespace, SERVICE))
        server.kubectl("apply", "--server-side", "-f", "-", stdin=_registration(namespace, port))
        eventually("it is reached", lambda: _is_reached(server), bool, within=60)
        yield log
    finally:
        remove_api_services(server)
        process.kill()
        process.wait(20)


def _is_reached(server: ApiServer) -> bool:
    conditions = server.kubectl.get("apiservice", _API_SERVICE)["status"]["conditions"]
    return any(item["type"] == "Available" and item["status"] == "True" for item in conditions)


def _registration(namespace: str, port: int) -> str:
    version, _, group = _API_SERVICE.partition(".")
    spec = {
        "service": {"namespace": namespace, "name": SERVICE, "port": port},
        "group": group,
        "version": version,
        "insecureSkipTLSVerify": True,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
    }
    kind = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService"}
    return yaml.safe_dump({**kind, "metadata": {"name": _API_SERVICE}, "spec": spec})


def _program(paths: Paths) -> Path:
    """Built unless it is cached: three and a half minutes of one processor."""

    def make(folder: Path) -> None:
        folder.mkdir(parents=True)
        command = ["nice", "go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags=-s -w"]
        environment = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "auto"}
        command += ["-o", str(folder / "adapter"), "./cmd/adapter"]
        run(command, env=environment, cwd=PROMETHEUS_ADAPTER.folder(), timeout=_BUILD_SECONDS)

    return kept_folder(paths.cache / "prometheus-adapter", PROMETHEUS_ADAPTER.version, make) / "adapter"
