"""What the metrics API keeps in the cluster: its certificate's Secret and its APIServices."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from slipway_crds.names import FIELD_MANAGER_OPERATOR, LABEL_MANAGED_BY, MANAGED_BY
from slipway_operator.adapters.kube_api import APPLY, KubeApi
from slipway_operator.adapters.metrics_api.authority import renewed
from slipway_operator.domain.errors import NotFoundError
from slipway_operator.domain.metrics_api.identity import FrontProxy
from slipway_operator.domain.metrics_api.serving import (
    ServiceReference,
    ServingIdentity,
    api_services,
    foreign,
    is_applied,
)
from slipway_operator.domain.resources import SECRET, Manifest, Ref

_API_SERVICES: Final = "/apis/apiregistration.k8s.io/v1/apiservices"
_CLUSTER_ROLES: Final = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
_FRONT_PROXY: Final = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"


class KubernetesRegistration:
    """Reads and writes them. Every replica does so: what is right already is not written again.

    ``owner`` names a ClusterRole of the installation with which the APIServices go: while an aggregated API is
    registered and away, no namespace of the cluster can be deleted.
    """

    def __init__(
        self,
        api: KubeApi,
        service: ServiceReference,
        secret: Ref,
        now: Callable[[], datetime],
        owner: str | None = None,
    ) -> None:
        self._api = api
        self._service = service
        self._secret = secret
        self._now = now
        self._owner = owner

    async def front_proxy(self) -> FrontProxy:
        """The front proxy that the API server announces.

        Raises:
            ClusterError: the ConfigMap cannot be read.
            FrontProxyError: it cannot be used.
        """
        config_map = await self._api.request("GET", _FRONT_PROXY)
        return FrontProxy.of_data(config_map.get("data") or {})

    async def identity(self) -> ServingIdentity:
        """The certificate of the Secret, made or renewed before if need be.

        Raises:
            ConflictError: another replica wrote at the same time; what it wrote is there now.
            ClusterError: the API server refused.
        """
        secret = await self._read(self._secret.resource.path(self._secret.namespace, self._secret.name))
        held = ServingIdentity.of_secret(secret) if secret is not None else None
        identity = renewed(held, self._service.hosts, self._now())
        if identity != held:
            await self._keep(identity, secret)
        return identity

    async def register(self, identity: ServingIdentity) -> tuple[str, ...]:
        """Make the APIServices lead here and trust ``identity``, unless somebody else serves the API.

        Gives the names of the APIServices of others; nothing is written then.

        Raises:
            ClusterError: the API server refused, or the owner is not there: without it nothing is registered.
        """
        listed = await self._api.request("GET", _API_SERVICES)
        live: dict[str, Manifest] = {item["metadata"]["name"]: item for item in listed["items"]}
        others = foreign(live.values(), self._service)
        if others:
            return others
        owner = await self._owner_reference()
        for wanted in api_services(self._service, identity.authorities, owner):
            name = wanted["metadata"]["name"]
            if not is_applied(live.get(name), wanted):
                await self._apply(f"{_API_SERVICES}/{name}", wanted)
        return ()

    async def _owner_reference(self) -> dict[str, Any] | None:
        """The garbage collector takes owners of the whole cluster only for objects of the whole cluster."""
        if self._owner is None:
            return None
        role = await self._api.request("GET", f"{_CLUSTER_ROLES}/{self._owner}")
        reference = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
        return {**reference, "name": self._owner, "uid": role["metadata"]["uid"]}

    async def _keep(self, identity: ServingIdentity, before: Manifest | None) -> None:
        metadata: dict[str, Any] = {
            "name": self._secret.name,
            "namespace": self._secret.namespace,
            "labels": {LABEL_MANAGED_BY: MANAGED_BY},
        }
        if before is not None:
            # Of replicas that renew at once, one succeeds.
            metadata["resourceVersion"] = before["metadata"]["resourceVersion"]
        body = {
            "apiVersion": SECRET.api_version,
            "kind": SECRET.kind,
            "metadata": metadata,
            "type": "Opaque",
            "data": identity.to_data(),
        }
        await self._apply(self._secret.resource.path(self._secret.namespace, self._secret.name), body)

    async def _apply(self, path: str, body: Manifest) -> None:
        manager = FIELD_MANAGER_OPERATOR
        await self._api.request("PATCH", path, body, content_type=APPLY, fieldManager=manager, force="true")

    async def _read(self, path: str) -> Manifest | None:
        try:
            return await self._api.request("GET", path)
        except NotFoundError:
            return None
