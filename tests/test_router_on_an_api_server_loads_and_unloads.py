"""An admin's word becomes `spec.lifecycle.suspend` in the API server, if the router has the right to write it."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.chart import NAMESPACE as SYSTEM_NAMESPACE
from tests.eventually import eventually
from tests.router_process import SERVICE_ACCOUNT, RouterProcess, RouterRights, World

pytestmark = pytest.mark.apiserver

RIGHTS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: manage-models, namespace: {namespace}}}
rules: [{{apiGroups: [slipway.dev], resources: [modeldeployments], verbs: [patch]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: manage-models, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: manage-models}}
subjects: [{{kind: ServiceAccount, name: {account}, namespace: {system}}}]
"""


def manage(router: RouterProcess, what: str, name: str, key: str) -> httpx2.Response:
    url = f"http://127.0.0.1:{router.port}/admin/models/{what}"
    return httpx2.post(url, headers={"authorization": f"Bearer {key}"}, json={"model": name}, timeout=15)


def lifecycle(world: World, name: str) -> dict[str, Any]:
    found = world.kubectl(f"--namespace={world.namespace}", "get", "modeldeployment", name, "--output=json")
    suspended: dict[str, Any] = json.loads(found)["spec"].get("lifecycle", {})
    return suspended


def test_a_model_is_suspended_and_wanted_again(router_rights: RouterRights, world: World, tmp_path: Path) -> None:
    name, key = f"chat-{world.namespace}", f"sk-{world.namespace}"
    world.key("boss", key, models=["*"], admin=True)
    world.model(name, lifecycle={"drainTimeout": "7m"})
    with router_rights.running(tmp_path, SLIPWAY_ADMIN_MANAGE_MODELS="true") as router:
        eventually("the model is known", lambda: name in str(router.states(key)), bool, within=20)
        refused = manage(router, "unload", name, key)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_enabled")
        assert "router.adminApi.manageModels" in refused.json()["error"]["message"]

        rights = RIGHTS.format(namespace=world.namespace, account=SERVICE_ACCOUNT, system=SYSTEM_NAMESPACE)
        world.kubectl.apply(rights)
        done = eventually(
            "the right counts", lambda: manage(router, "unload", name, key), lambda a: a.status_code == 202, within=10
        )
        assert done.json()["model"] == f"{world.namespace}/{name}"
        assert lifecycle(world, name) == {"drainTimeout": "7m", "suspend": True}
        assert manage(router, "load", name, key).status_code == 202
        assert lifecycle(world, name) == {"drainTimeout": "7m", "suspend": False}
