import pytest
import yaml

from slipway_crds.generate import rendered_crds
from tests.chart import CHART, Helm, of_kind


@pytest.mark.parametrize("name", sorted(rendered_crds()))
def test_the_chart_has_the_generated_file(name: str) -> None:
    assert (CHART / "files" / "crds" / name).read_text() == rendered_crds()[name]


@pytest.mark.apiserver
def test_definitions_are_rendered_as_they_are_and_kept_on_uninstall(helm: Helm) -> None:
    rendered = of_kind(helm.render(), "CustomResourceDefinition")
    generated = [yaml.safe_load(text) for text in rendered_crds().values()]
    assert {name: crd["spec"] for name, crd in rendered.items()} == {
        c["metadata"]["name"]: c["spec"] for c in generated
    }
    assert all(crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"} for crd in rendered.values())


@pytest.mark.apiserver
def test_definitions_can_be_left_to_others(helm: Helm) -> None:
    assert not of_kind(helm.render("crds.install=false"), "CustomResourceDefinition")
