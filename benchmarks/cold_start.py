"""From `kubectl apply` to ready, by engine and phase: ``python -m benchmarks.cold_start [--rounds N] [ENGINE …]``.

Needs the test cluster with Slipway installed (`make cluster`). Images are on the node already, and the demo models are
part of them: what is measured is Kubernetes, the engine's start and its first inference, not a registry or a hub.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from slipway_crds.names import CONTROL_PORT
from tests.cluster import binaries, release
from tests.cluster.cli import DEFAULT_NAME
from tests.cluster.kubectl import Kubectl
from tests.cluster.namespaces import temporary_namespace
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.cluster.provider import Choice, Provider
from tests.installation import Installation, model

SPECS: Final[Mapping[str, dict[str, Any]]] = {
    "llamacpp": {"model": {"source": "demo://chat"}},
    "onnx": {"model": {"source": "demo://embed"}},
    "diffusers": {"model": {"source": "demo://images"}},
    "vllm": {"model": {"source": "demo://chat"}, "resources": {"limits": {"memory": "6Gi"}}},
}
TARGETS: Final[Mapping[str, str]] = {"diffusers": "runtime-diffusers", "vllm": "runtime-vllm-cpu"}
"""Images that the installation does not put on the nodes; the others are there."""
PHASES: Final = ("fetching", "loading", "warming")
COLUMNS: Final = ("container", *PHASES, "ready")
_READY_SECONDS: Final = 300


def spec_of(engine: str, provider: Provider, paths: Paths) -> dict[str, Any]:
    """The spec to apply, with the engine's image on the nodes."""
    if engine not in TARGETS:
        return {**SPECS[engine], "engine": {"type": engine}}
    (image,) = release.load_images(provider, paths, [TARGETS[engine]], Progress())
    return {**SPECS[engine], "engine": {"type": engine, "image": image.reference}}


def start(installation: Installation, spec: Mapping[str, Any], name: str) -> dict[str, float]:
    """Seconds from the apply to the running container, in each phase, and from the apply to the condition Ready."""
    begun, applied_at = time.monotonic(), time.time()
    installation.apply(model(name, **spec))
    installation.wait_ready(f"mdep/{name}", seconds=_READY_SECONDS)
    ready = time.monotonic() - begun
    pod = installation.get("pods", "-l", f"slipway.dev/model={name}")["items"][0]
    started = datetime.fromisoformat(pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"])
    path = f"/api/v1/namespaces/{installation.namespace}/pods/{pod['metadata']['name']}:{CONTROL_PORT}/proxy/state"
    seconds = json.loads(installation.kubectl("get", "--raw", path))["phaseSeconds"]
    installation.kubectl("delete", "mdep", name, "-n", installation.namespace)
    return {
        # The kubelet tells whole seconds.
        "container": max(0.0, started.timestamp() - applied_at),
        **{phase: seconds[phase] for phase in PHASES},
        "ready": ready,
    }


def table(rows: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Medians as a Markdown table, in seconds."""
    lines = [f"| engine | {' | '.join(COLUMNS)} |", f"| --- |{' ---: |' * len(COLUMNS)}"]
    for engine, rounds in rows.items():
        cells = (f"{statistics.median(seconds[column] for seconds in rounds):.1f}" for column in COLUMNS)
        lines.append(f"| {engine} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("engines", nargs="*", default=list(SPECS), help=f"of {', '.join(SPECS)}; default: all")
    options = parser.parse_args()
    if unknown := set(options.engines) - set(SPECS):
        parser.error(f"no engine {', '.join(sorted(unknown))} here; there are {', '.join(SPECS)}")
    paths = Paths.from_environment(os.environ)
    provider = Choice(paths, DEFAULT_NAME).provider("auto", Progress())
    kubectl = Kubectl(binaries.ensure(paths, ("kubectl",), Progress())["kubectl"], provider.kubeconfig())
    with temporary_namespace(kubectl) as namespace:
        installation = Installation(kubectl, namespace, dict(os.environ))
        specs = {engine: spec_of(engine, provider, paths) for engine in options.engines}
        rows = {
            engine: [start(installation, spec, f"{engine}-{number}") for number in range(options.rounds)]
            for engine, spec in specs.items()
        }
    print(table(rows))


if __name__ == "__main__":
    main()
