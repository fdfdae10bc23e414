"""How fast sleeping models wake: ``python -m benchmarks.wake [--rounds N] [--together M] [--callers C]``.

Needs the test cluster with Slipway installed (`make cluster`). Models have the dummy engine, which loads nothing, so
what is measured is Slipway and Kubernetes. Each round a request meets a sleeping model:

- request → Pod: from sending the request until a watch shows the Pod;
- start of the pod: from there until a watch shows it Ready, which is Kubernetes' and the runtime's;
- overhead: the whole time until the answer is there, less the start of the pod.

Then M models are asked at once, and C callers (half of them streaming) ask for one.
"""

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.wake.pods import PodTimes, watching_pods
from tests.cluster import binaries
from tests.cluster.cli import DEFAULT_NAME
from tests.cluster.kubectl import Kubectl
from tests.cluster.namespaces import temporary_namespace
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.cluster.provider import Choice
from tests.eventually import eventually
from tests.installation import Installation, api_key, model
from tests.waking_callers import Callers, outcomes


@dataclass(frozen=True)
class Wake:
    """One model's wake, in seconds."""

    to_pod: float
    start: float
    total: float

    @property
    def overhead(self) -> float:
        """What Slipway adds to the start of the pod."""
        return self.total - self.start


def sleepy(name: str) -> str:
    """A model that sleeps after a short while."""
    scaling = {
        "minReplicas": 0,
        "maxReplicas": 2,
        "metrics": [{"type": "inFlight", "target": 1000}],
        "scaleToZero": {"idleAfter": "5s"},
    }
    return model(name, autoscaling=scaling)


def wait_asleep(installation: Installation, names: Sequence[str]) -> None:
    """Until the models sleep and their pods are gone."""

    def awake() -> list[str]:
        models = [name for name in names if installation.condition(name).get("reason") != "ScaledToZero"]
        return models + [pod["metadata"]["name"] for pod in installation.get("pods")["items"]]

    eventually("all models sleep", awake, lambda left: not left, within=180, every=0.5)


async def wake(callers: Callers, times: PodTimes, names: Sequence[str], count: int = 1) -> list[Wake]:
    """Ask for all models at once, ``count`` callers each."""
    times.clear()
    began = time.monotonic()
    answered = await asyncio.gather(*(callers.all_at_once(name, count) for name in names))
    found = []
    for name, answers in zip(names, answered, strict=True):
        if outcomes(answers) != {"complete": count}:
            raise RuntimeError(f"{name}: {outcomes(answers)}")
        created, ready = times.created[name], await times.ready_at(name)
        found.append(Wake(created - began, ready - created, max(answer.seconds for answer in answers)))
    return found


async def measure(installation: Installation, kubeconfig: str, rounds: int, together: int, callers: int) -> None:
    """Run all parts, and print what came out."""
    installation.apply(api_key())
    asking = Callers(installation.router_url, installation.key())
    names = [f"model-{number}" for number in range(together)]
    for name in names:
        installation.apply(sleepy(name))
    async with watching_pods(kubeconfig, installation.namespace) as times:
        alone: list[Wake] = []
        for _ in range(rounds):
            await asyncio.to_thread(wait_asleep, installation, names)
            alone += await wake(asking, times, names[:1])
        _show(f"one model, {rounds} rounds", alone)
        await asyncio.to_thread(wait_asleep, installation, names)
        _show(f"{together} models at once", await wake(asking, times, names))
        await asyncio.to_thread(wait_asleep, installation, names)
        _show(f"one model, {callers} callers", await wake(asking, times, names[:1], callers))


def _show(what: str, wakes: Sequence[Wake]) -> None:
    print(what)
    rows = {
        "request → Pod": [wake.to_pod for wake in wakes],
        "start of the pod": [wake.start for wake in wakes],
        "answer": [wake.total for wake in wakes],
        "overhead": [wake.overhead for wake in wakes],
    }
    for name, seconds in rows.items():
        print(f"  {name:17} median {statistics.median(seconds):6.3f} s, {min(seconds):.3f} to {max(seconds):.3f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--together", type=int, default=8)
    parser.add_argument("--callers", type=int, default=200)
    asked = parser.parse_args()
    paths = Paths.from_environment(os.environ)
    provider = Choice(paths, DEFAULT_NAME).provider("auto", Progress())
    kubeconfig = provider.kubeconfig()
    kubectl = Kubectl(binaries.ensure(paths, ("kubectl",), Progress())["kubectl"], kubeconfig)
    with temporary_namespace(kubectl) as namespace:
        installation = Installation(kubectl, namespace, dict(os.environ))
        try:
            asyncio.run(measure(installation, str(kubeconfig), asked.rounds, asked.together, asked.callers))
        finally:
            kubectl("delete", "mdep", "--all", "-n", namespace)


if __name__ == "__main__":
    main()
