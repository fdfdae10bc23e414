"""Writes to the cluster: server-side apply, status, deletion, Events."""

from typing import Any

from slipway_crds.names import FIELD_MANAGER_OPERATOR, FIELD_MANAGER_OPERATOR_STATUS
from slipway_operator.adapters.kube_api import APPLY, JSON, MERGE, KubeApi
from slipway_operator.adapters.metrics import Metrics
from slipway_operator.domain.errors import ClusterError, ConflictError, NamespaceTerminatingError, NotFoundError
from slipway_operator.domain.resources import Manifest, Ref, ref_of


class KubernetesCluster:
    """The operator's writes, each counted. What is so already is no error: 404 on deletion, 409 on an Event."""

    def __init__(self, api: KubeApi, metrics: Metrics) -> None:
        self._api = api
        self._metrics = metrics

    async def apply(self, manifest: Manifest, *, force: bool, field_manager: str = FIELD_MANAGER_OPERATOR) -> str:
        """Server-side apply; gives the new ``resourceVersion``. Without ``force`` others' fields are conflicts.

        Raises:
            ClusterError: the API server refused; `ConflictError` when others own a field.
        """
        ref = ref_of(manifest)
        path = ref.resource.path(ref.namespace, ref.name)
        force_text = "true" if force else "false"
        query = {"fieldManager": field_manager, "force": force_text}
        return _version(await self._write("PATCH", path, ref, manifest, APPLY, **query))

    async def overwrite(self, manifest: Manifest) -> str:
        """Set every field of the manifest, lists as wholes: what people added to them goes. Gives the new version.

        Raises:
            ClusterError: the API server refused.
        """
        ref = ref_of(manifest)
        path = ref.resource.path(ref.namespace, ref.name)
        return _version(await self._write("PATCH", path, ref, manifest, MERGE, fieldManager=FIELD_MANAGER_OPERATOR))

    async def apply_status(self, ref: Ref, status: dict[str, Any]) -> None:
        """Server-side apply of the whole status that is the operator's; nothing when the object is gone.

        Raises:
            ClusterError: the API server refused.
        """
        body = {
            "apiVersion": ref.resource.api_version,
            "kind": ref.resource.kind,
            "metadata": {"name": ref.name, "namespace": ref.namespace},
            "status": status,
        }
        path = ref.resource.path(ref.namespace, ref.name, "status")
        manager = FIELD_MANAGER_OPERATOR_STATUS
        try:
            await self._write("PATCH", path, ref, body, APPLY, fieldManager=manager, force="true")
        except NotFoundError:
            return

    async def create(self, manifest: Manifest) -> None:
        """Create, and never change what is there.

        Raises:
            ConflictError: it exists.
            ClusterError: the API server refused.
        """
        ref = ref_of(manifest)
        path = ref.resource.path(ref.namespace)
        await self._write("POST", path, ref, manifest, fieldManager=FIELD_MANAGER_OPERATOR)

    async def delete(self, ref: Ref, uid: str) -> None:
        """Delete exactly the object with this identity; nothing when it is gone or another one has its name.

        Raises:
            ClusterError: the API server refused.
        """
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        try:
            await self._write("DELETE", ref.resource.path(ref.namespace, ref.name), ref, body)
        except (NotFoundError, ConflictError):
            return

    async def read(self, ref: Ref) -> Manifest | None:
        """The live object, None when it is not there.

        Raises:
            ClusterError: the API server refused.
        """
        try:
            return await self._api.request("GET", ref.resource.path(ref.namespace, ref.name))
        except NotFoundError:
            return None

    async def post_event(self, event: Manifest) -> None:
        """Tell an Event once: a second one with its name is taken for the same.

        Raises:
            ClusterError: the API server refused.
        """
        try:
            await self.create(event)
        except ConflictError:
            return

    async def _write(
        self, method: str, path: str, ref: Ref, body: Any, content_type: str = JSON, **query: str
    ) -> Manifest:
        try:
            answer = await self._api.request(method, path, body, content_type=content_type, **query)
        except ClusterError as error:
            result = "terminating" if isinstance(error, NamespaceTerminatingError) else str(error.code)
            self._metrics.wrote(method, ref.resource.kind, result)
            raise
        self._metrics.wrote(method, ref.resource.kind, "ok")
        return answer


def _version(body: Manifest) -> str:
    return str(body["metadata"]["resourceVersion"])
