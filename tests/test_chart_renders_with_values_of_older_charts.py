"""``helm upgrade --reuse-values`` brings an older chart's values, in which newer ones are missing: defaults hold."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.chart import CHART, Helm, of_kind

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
OLDEST = frozenset({"image", "operator", "router", "runtime"})
"""Sections that every chart has had, and in them what must be there."""
ALWAYS = frozenset({"replicas", "image", "logLevel", "logFormat", "workers", "resources", "service", "images"})


def newer() -> Iterator[str]:
    for section, values in VALUES.items():
        if section not in OLDEST:
            yield section
        elif section != "image":
            yield from (f"{section}.{name}" for name in values if name not in ALWAYS)
    yield from (f"metrics.{name}" for name in VALUES["metrics"])


@pytest.mark.apiserver
def test_one_that_is_missing_is_as_if_it_had_its_default(helm: Helm) -> None:
    default = helm.render()
    different = [name for name in newer() if helm.render(f"{name}=null") != default]
    assert different == []


@pytest.mark.apiserver
def test_all_may_be_missing_at_once(helm: Helm) -> None:
    assert helm.render(*(f"{name}=null" for name in newer() if not name.startswith("metrics."))) == helm.render()


@pytest.mark.apiserver
@pytest.mark.parametrize("value", ["crds.install=false", "rbac.aggregateRoles=false", "router.shutdownDelaySeconds=0"])
def test_no_is_no_default(helm: Helm, value: str) -> None:
    assert helm.render(value) != helm.render()


@pytest.mark.apiserver
def test_a_pod_monitor_needs_no_interval(helm: Helm) -> None:
    objects = helm.render("metrics.podMonitor.enabled=true", "metrics.podMonitor.interval=null")
    assert of_kind(objects, "PodMonitor") == of_kind(helm.render("metrics.podMonitor.enabled=true"), "PodMonitor")
