"""Runs reconcile passes over a fake cluster until nothing is left to do."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from slipway_crds.engines import EngineType
from slipway_operator.app.keys import KeyReconciler
from slipway_operator.app.models import ModelParts, ModelReconciler
from slipway_operator.app.provider_keys import ProviderKeys
from slipway_operator.app.rollouts import Rollouts
from slipway_operator.app.runtimes import Runtimes
from slipway_operator.app.sleeping import Sleeping
from slipway_operator.app.startups import Startups
from slipway_operator.domain.images import EngineImage
from slipway_operator.domain.metrics_api.state import Keda, RegistrationState
from slipway_operator.domain.plan import PlanSettings
from slipway_operator.domain.resources import API_KEY, MODEL_DEPLOYMENT, SECRET, Manifest, Ref
from tests.fakes.cluster import FakeCluster, FakeGpus, FakeRouters, FakeWorld
from tests.fakes.runtimes import FakeRuntimes, FakeStartObserver

REGISTRY = "registry.example/slipway-runtime"
IMAGES = {
    **{EngineType(name): EngineImage(cpu=f"{REGISTRY}-{name}:1.0") for name in ("llamacpp", "onnx", "dummy")},
    EngineType.VLLM: EngineImage(cpu=f"{REGISTRY}-vllm-cpu:1.0", gpu=f"{REGISTRY}-vllm:1.0"),
    EngineType.DIFFUSERS: EngineImage(gpu=f"{REGISTRY}-diffusers:1.0"),
    EngineType.TEI: EngineImage(cpu="registry.example/tei:cpu", gpu="registry.example/tei:cuda"),
}
NAMESPACE = "models"
PROVIDER_KEYS = Ref(SECRET, "slipway-system", "slipway-provider-keys")
START = datetime(2026, 1, 1, tzinfo=UTC)
REGISTERED = RegistrationState(True, "autoscalers can follow the metrics of models")


class Clock:
    """A clock that only tests move."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)


class Operator:
    """One operator process over a fake cluster. A new one on the same cluster is a restart."""

    def __init__(
        self,
        cluster: FakeCluster,
        clock: Clock | None = None,
        metrics_api: RegistrationState | None = REGISTERED,
        keda: Keda | None = None,
        otlp_endpoint: str = "",
    ) -> None:
        self.cluster = cluster
        self.world = FakeWorld(cluster)
        self.clock = clock or Clock()
        settings = PlanSettings(IMAGES, otlp_endpoint)
        clocks: Any = {"clock": self.clock.monotonic, "now": self.clock.now}
        self.requeued: list[Ref] = []
        self.runtimes = FakeRuntimes()
        self.gpus = FakeGpus()
        self.asked = Runtimes(self.runtimes, self._enqueue)
        self.starts = FakeStartObserver()
        self.routers = FakeRouters()
        self.provider_keys = ProviderKeys(self.world, cluster, self.routers, PROVIDER_KEYS, self._enqueue)
        parts = ModelParts(
            self.asked,
            Startups(self.starts, self.clock.now),
            Sleeping(self.runtimes, self.clock.now),
            Rollouts(self.gpus),
            self.provider_keys,
            lambda: metrics_api,
            keda,
        )
        self.models = ModelReconciler(self.world, cluster, settings, parts, **clocks)
        self.keys = KeyReconciler(self.world, cluster, **clocks)

    def pass_over(self, name: str) -> float | None:
        """One pass over a ModelDeployment."""
        return run(self.models.reconcile(Ref(MODEL_DEPLOYMENT, NAMESPACE, name)))

    def pass_over_key(self, name: str) -> float | None:
        """One pass over an APIKey."""
        return run(self.keys.reconcile(Ref(API_KEY, NAMESPACE, name)))

    def pass_over_provider_keys(self) -> float | None:
        """One pass over the Secret with the keys of providers."""
        return run(self.provider_keys.reconcile(PROVIDER_KEYS))

    def settle(self, name: str, passes: int = 10) -> None:
        """Passes until one writes nothing and asks for no other one."""
        for _ in range(passes):
            before = len(self.cluster.writes)
            wait = self.pass_over(name)
            if wait is None and len(self.cluster.writes) == before:
                return
            self.clock.seconds += wait or 0.0
        raise AssertionError(f"still writing after {passes} passes: {self.cluster.writes[-5:]}")

    def _enqueue(self, key: Ref, seconds: float) -> None:
        self.requeued.append(key)


def run(work: Coroutine[Any, Any, float | None]) -> float | None:
    """Run a coroutine to its end."""
    return asyncio.run(work)


def model(name: str = "m", **spec: Any) -> Manifest:
    """A ModelDeployment with the dummy engine; ``spec`` is laid over."""
    body = {"model": {"source": "demo://dummy"}, "engine": {"type": "dummy"}, **spec}
    return _object("ModelDeployment", name, body)


def api_key(name: str = "k", **spec: Any) -> Manifest:
    """An APIKey; ``spec`` is laid over."""
    return _object("APIKey", name, {"owner": "tests", **spec})


def conditions(body: Manifest) -> dict[str, tuple[str, str]]:
    """Status and reason of each condition by type."""
    found = body.get("status", {}).get("conditions", [])
    return {item["type"]: (item["status"], item["reason"]) for item in found}


def ready(body: Manifest) -> tuple[str, str]:
    """Status and reason of the condition Ready."""
    return conditions(body)["Ready"]


def _object(kind: str, name: str, spec: dict[str, Any]) -> Manifest:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "slipway.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
