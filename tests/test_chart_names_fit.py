import pytest

from tests.chart import Helm, of_kind

pytestmark = pytest.mark.apiserver

LONGEST_RELEASE = "r" * 53  # Helm refuses longer ones


def test_services_of_a_long_release_have_names_that_kubernetes_takes(helm: Helm) -> None:
    services = of_kind(helm.render(release=LONGEST_RELEASE), "Service")
    assert len(services) == 4
    assert [name for name in services if len(name) > 63] == []
