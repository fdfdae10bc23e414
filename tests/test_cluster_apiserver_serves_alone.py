import pytest

from tests.cluster.apiserver import ApiServer
from tests.cluster.errors import CommandError
from tests.cluster.kubectl import Kubectl
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress

pytestmark = pytest.mark.apiserver


def test_objects_are_stored(apiserver: ApiServer, apiserver_namespace: str) -> None:
    manifest = (
        f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, namespace: {apiserver_namespace}}}, data: {{k: v}}}}"
    )
    apiserver.kubectl.apply(manifest)
    assert apiserver.kubectl.get("configmap/a", f"--namespace={apiserver_namespace}")["data"] == {"k": "v"}


def test_a_service_account_has_only_the_rights_it_was_given(apiserver: ApiServer, apiserver_namespace: str) -> None:
    namespace = f"--namespace={apiserver_namespace}"
    apiserver.kubectl("create", "serviceaccount", "reader", namespace)
    apiserver.kubectl("create", "role", "reader", "--verb=list", "--resource=configmaps", namespace)
    binding = ("rolebinding", "reader", "--role=reader", f"--serviceaccount={apiserver_namespace}:reader")
    apiserver.kubectl("create", *binding, namespace)
    reader = Kubectl(apiserver.kubectl.program, apiserver.service_account_kubeconfig(apiserver_namespace, "reader"))
    assert reader.get("configmaps", namespace)["items"] == []
    with pytest.raises(CommandError, match="forbidden"):
        reader.get("secrets", namespace)


def test_a_second_server_runs_beside_the_first_and_is_gone_afterwards(
    apiserver: ApiServer, cluster_paths: Paths
) -> None:
    second = ApiServer(cluster_paths, "second", Progress())
    second.up()
    assert second.running()
    second.down()
    assert not second.running()
    assert apiserver.running()
