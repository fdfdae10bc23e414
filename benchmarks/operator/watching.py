"""When the objects of a round appeared, as a watch shows them."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

GROUP, VERSION, PLURAL = "slipway.dev", "v1alpha1", "modeldeployments"


@dataclass
class Moments:
    """Monotonic seconds by the name of the ModelDeployment."""

    added: dict[str, float] = field(default_factory=dict)
    status: dict[str, float] = field(default_factory=dict)
    settled: dict[str, float] = field(default_factory=dict)
    """When the Ready condition first had the reason that the round ends with."""
    children: dict[str, list[float]] = field(default_factory=dict)

    def last_child(self) -> dict[str, float]:
        return {name: max(moments) for name, moments in self.children.items()}

    def done(self, names: set[str], children: int) -> bool:
        complete = all(len(self.children.get(name, ())) >= children for name in names)
        return complete and names <= self.status.keys() and names <= self.settled.keys()


class Watcher:
    """Watches ModelDeployments, Deployments, Services and ServiceAccounts of a namespace in threads."""

    def __init__(self, kubeconfig: Path, namespace: str, reason: str) -> None:
        self.moments = Moments()
        self._reason = reason
        self._known: set[str] = set()
        self._ended = threading.Event()
        self._api = config.new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]
        custom = client.CustomObjectsApi(self._api).list_namespaced_custom_object
        arguments = {"group": GROUP, "version": VERSION, "plural": PLURAL, "namespace": namespace}
        self._start(self._on_model, custom, **arguments)
        core, apps = client.CoreV1Api(self._api), client.AppsV1Api(self._api)
        kinds = (apps.list_namespaced_deployment, core.list_namespaced_service, core.list_namespaced_service_account)
        for listing in kinds:
            self._start(self._on_child, listing, namespace=namespace)

    def wait(self, names: set[str], children: int, seconds: float) -> bool:
        """Whether all was there in time."""
        deadline = time.monotonic() + seconds
        while not self.moments.done(names, children):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def end(self) -> None:
        """Start no watch again."""
        self._ended.set()

    def _start(self, handle: Callable[[Any, float], None], listing: Callable[..., Any], **arguments: Any) -> None:
        def run() -> None:
            while not self._ended.is_set():
                # A young API server ends watches of kinds that it has just learnt; what was seen before comes again.
                with suppress(ApiException, HTTPError):
                    for event in watch.Watch().stream(listing, **arguments):  # type: ignore[no-untyped-call]
                        if event["type"] != "DELETED":
                            handle(event["raw_object"], time.monotonic())

        threading.Thread(target=run, daemon=True).start()

    def _on_model(self, body: dict[str, Any], moment: float) -> None:
        name = body["metadata"]["name"]
        self.moments.added.setdefault(name, moment)
        conditions = body.get("status", {}).get("conditions", [])
        if conditions:
            self.moments.status.setdefault(name, moment)
        if any(c["type"] == "Ready" and c["reason"] == self._reason for c in conditions):
            self.moments.settled.setdefault(name, moment)

    def _on_child(self, body: dict[str, Any], moment: float) -> None:
        for reference in body["metadata"].get("ownerReferences", ()):
            if body["metadata"]["uid"] not in self._known:
                self._known.add(body["metadata"]["uid"])
                self.moments.children.setdefault(reference["name"], []).append(moment)
