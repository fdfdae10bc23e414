"""The Helm chart, rendered by Helm itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.cluster.binaries import KUBERNETES
from tests.cluster.shell import run

CHART: Final = Path(__file__).parent.parent / "charts" / "slipway"
NAMESPACE: Final = "slipway-system"
RELEASE: Final = "slipway"


@dataclass(frozen=True)
class Helm:
    """The helm command."""

    program: Path

    def __call__(self, *arguments: str | Path) -> str:
        """Run helm and return what it printed; a failure raises CommandError with helm's words."""
        return run([self.program, *arguments])

    def render(self, *values: str, release: str = RELEASE) -> list[dict[str, Any]]:
        """Every object of the chart with ``--set`` for each of ``values``."""
        chosen = [f"--set={value}" for value in values]
        version = f"--kube-version={KUBERNETES}"
        text = self("template", release, CHART, f"--namespace={NAMESPACE}", version, *chosen)
        return [document for document in yaml.safe_load_all(text) if document]


def of_kind(objects: Sequence[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """The objects of one kind, by ``name``, or ``namespace/name`` where a namespace is written."""
    found = [item for item in objects if item["kind"] == kind]
    return {"/".join(filter(None, (i["metadata"].get("namespace"), i["metadata"]["name"]))): i for i in found}


def container(objects: Sequence[dict[str, Any]], deployment: str) -> dict[str, Any]:
    """The one container of a Deployment."""
    (only,) = of_kind(objects, "Deployment")[deployment]["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = only
    return found


def environment(objects: Sequence[dict[str, Any]], deployment: str) -> dict[str, str]:
    """The environment of a Deployment's container, without values that only the cluster knows."""
    return {var["name"]: var["value"] for var in container(objects, deployment)["env"] if "value" in var}
