"""When pods of models were there and ready, as a watch shows it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from kubernetes.aio import client, config, watch

from slipway_crds.names import LABEL_MODEL


@dataclass
class PodTimes:
    """Moments on the monotonic clock by the model's name, of the first pod since `clear`."""

    created: dict[str, float] = field(default_factory=dict)
    ready: dict[str, float] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def clear(self) -> None:
        """Forget the pods so far."""
        self.created.clear()
        self.ready.clear()

    async def ready_at(self, name: str) -> float:
        """When the model's pod was ready, once it is."""
        async with asyncio.timeout(60):
            while name not in self.ready:
                self.changed.clear()
                await self.changed.wait()
        return self.ready[name]

    def saw(self, kind: str, pod: dict[str, Any]) -> None:
        """One event of the watch."""
        name, now = pod["metadata"]["labels"][LABEL_MODEL], time.monotonic()
        if kind == "ADDED":
            self.created.setdefault(name, now)
        conditions = pod["status"].get("conditions") or ()
        if kind == "MODIFIED" and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
            self.ready.setdefault(name, now)
        self.changed.set()


@asynccontextmanager
async def watching_pods(kubeconfig: str, namespace: str) -> AsyncIterator[PodTimes]:
    """Watch for the length of the block."""
    configuration = client.Configuration()
    await config.load_kube_config(config_file=kubeconfig, client_configuration=configuration)  # type: ignore[no-untyped-call]
    times = PodTimes()
    async with client.ApiClient(configuration) as connection:
        task = asyncio.create_task(_follow(client.CoreV1Api(connection), namespace, times))
        try:
            yield times
        finally:
            task.cancel()
            await asyncio.wait({task})


async def _follow(api: client.CoreV1Api, namespace: str, times: PodTimes) -> None:
    async with watch.Watch() as events:  # type: ignore[no-untyped-call]
        async for event in events.stream(api.list_namespaced_pod, namespace):
            times.saw(event["type"], event["raw_object"])
