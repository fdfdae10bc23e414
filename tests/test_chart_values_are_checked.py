import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from tests.chart import CHART, Helm
from tests.cluster.errors import CommandError

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
README_ROW = re.compile(r"^\| `([\w.]+)` \| (.+?) \| .+ \|$", re.MULTILINE)


def _leaves(values: Mapping[str, Any], schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """``a.b.c`` and value of everything that can be set, down to where the schema lets people write what they like."""
    for name, value in values.items():
        below = schema.get("properties", {}).get(name)
        if isinstance(value, dict) and isinstance(below, dict) and below.get("properties"):
            yield from _leaves(value, below, f"{path}{name}.")
        elif name == "image" and isinstance(value, dict):
            yield from ((f"{path}image.{key}", inner) for key, inner in value.items())
        else:
            yield f"{path}{name}", value


def test_the_readme_lists_every_value_with_its_default() -> None:
    documented = dict(README_ROW.findall((CHART / "README.md").read_text()))
    values = dict(_leaves(VALUES, SCHEMA))
    assert documented.keys() == values.keys()
    written = {path: text.strip("`") for path, text in documented.items() if text.startswith("`")}
    assert {path: yaml.safe_load(text) for path, text in written.items()} == {path: values[path] for path in written}


@pytest.mark.apiserver
@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("operator.replica=2", "additional properties 'replica' not allowed"),
        ("router.replicas=many", "got string, want integer"),
        ("router.service.type=Public", "value must be one of 'ClusterIP', 'NodePort', 'LoadBalancer'"),
        ("runtime.images.gpt=x", "additional properties 'gpt' not allowed"),
        ("watchNamespaces={Team_A}", "'Team_A' does not match pattern"),
        ("router.logLevel=loud", "value must be one of 'debug', 'info', 'warning', 'error'"),
        ("metrics.mode=prometheus", "value must be one of 'builtin', 'prometheus-adapter', 'keda', 'none'"),
        ("metrics.mode=keda", "metrics.mode=keda needs metrics.prometheus.url"),
        ("metrics.prometheus.url=prometheus:9090", "does not match pattern"),
        ("metrics.podMonitor.interval=often", "does not match pattern"),
        ("metrics.port=443", "minimum: got 443, want 1,024"),
        ("image.tag=a b", "does not match pattern"),
        ("router.config.limits.failMode=open", "additional properties 'failMode' not allowed"),
        ("router.config.limits.fail_mode=ajar", "value must be one of 'open', 'closed'"),
        ("router.config.data_port=80", "additional properties 'data_port' not allowed"),
    ],
)
def test_a_wrong_value_is_refused_by_name(helm: Helm, value: str, complaint: str) -> None:
    with pytest.raises(CommandError) as refusal:
        helm.render(value)
    assert complaint in str(refusal.value)


@pytest.mark.apiserver
def test_helm_finds_nothing_wrong(helm: Helm) -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in helm("lint", "--strict", CHART)
