"""The kinds of Kubernetes objects that the operator reads and writes, and where the API serves them."""

from dataclasses import dataclass
from typing import Any, Final

from slipway_crds.names import API_VERSION

Manifest = dict[str, Any]
"""An object as its YAML says it."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object."""

    api_version: str
    kind: str
    plural: str

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """The API path of an object, or of the collection when ``name`` is empty."""
        prefix = "/api" if "/" not in self.api_version else "/apis"
        parts = [prefix, self.api_version, "namespaces", namespace, self.plural, name, subresource]
        return "/".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Ref:
    """One object by kind, namespace and name."""

    resource: Resource
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.resource.kind} {self.namespace}/{self.name}"


MODEL_DEPLOYMENT: Final = Resource(API_VERSION, "ModelDeployment", "modeldeployments")
API_KEY: Final = Resource(API_VERSION, "APIKey", "apikeys")
MODEL_ROUTE: Final = Resource(API_VERSION, "ModelRoute", "modelroutes")

DEPLOYMENT: Final = Resource("apps/v1", "Deployment", "deployments")
SERVICE: Final = Resource("v1", "Service", "services")
SERVICE_ACCOUNT: Final = Resource("v1", "ServiceAccount", "serviceaccounts")
HPA: Final = Resource("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
SCALED_OBJECT: Final = Resource("keda.sh/v1alpha1", "ScaledObject", "scaledobjects")
PDB: Final = Resource("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
PVC: Final = Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
SECRET: Final = Resource("v1", "Secret", "secrets")
POD: Final = Resource("v1", "Pod", "pods")
EVENT: Final = Resource("events.k8s.io/v1", "Event", "events")
LEASE: Final = Resource("coordination.k8s.io/v1", "Lease", "leases")

CORE_CHILDREN: Final = (SERVICE_ACCOUNT, PVC, DEPLOYMENT, SERVICE, HPA, PDB)
"""The kinds of children that every cluster knows."""
MODEL_CHILDREN: Final = (*CORE_CHILDREN, SCALED_OBJECT)
"""The kinds a ModelDeployment may have as children."""

_BY_KIND: Final = {
    (resource.api_version, resource.kind): resource
    for resource in (MODEL_DEPLOYMENT, API_KEY, MODEL_ROUTE, *MODEL_CHILDREN, SECRET, POD, EVENT, LEASE)
}


def ref_of(manifest: Manifest) -> Ref:
    """Where ``manifest`` belongs."""
    metadata = manifest["metadata"]
    resource = _BY_KIND[manifest["apiVersion"], manifest["kind"]]
    return Ref(resource, metadata["namespace"], metadata["name"])
