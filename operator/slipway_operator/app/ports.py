"""What the reconcilers need of the outside; the adapters provide it, tests fake it."""

from collections.abc import Sequence
from typing import Any, Protocol

from slipway_operator.domain.free_gpus import GpuRequest
from slipway_operator.domain.observed import Child, KeySecret, StoredObject
from slipway_operator.domain.pods import Pod
from slipway_operator.domain.resources import Manifest, Ref
from slipway_operator.domain.runtime_state import RuntimeState
from slipway_operator.domain.served_names import Claimant


class World(Protocol):
    """The watched cluster, read from memory. Owners are named by their child name, which labels carry."""

    def object(self, key: Ref) -> StoredObject | None:
        """The custom resource that a key of the work queue stands for."""
        ...

    def children(self, key: Ref) -> Sequence[Child]:
        """Everything labelled as a child of a ModelDeployment."""
        ...

    def pods(self, key: Ref) -> Sequence[Pod]:
        """The pods of a ModelDeployment."""
        ...

    def secrets(self, key: Ref) -> Sequence[KeySecret]:
        """Everything labelled as a Secret of an APIKey."""
        ...

    def external_models(self) -> Sequence[StoredObject]:
        """Every ModelDeployment that a provider serves."""
        ...

    def claimants(self, name: str) -> Sequence[Claimant]:
        """The models that claim a name for callers, in no order."""
        ...


class Cluster(Protocol):
    """Writes to the API server. Every method raises `ClusterError` when the API server refuses."""

    async def apply(self, manifest: Manifest, *, force: bool, field_manager: str = ...) -> str:
        """Server-side apply; gives the new ``resourceVersion``.

        Raises `ConflictError` when others own a field and ``force`` is off, `InvalidError` when the object would not be
        valid with the fields that others have in it.
        """
        ...

    async def overwrite(self, manifest: Manifest) -> str:
        """Set every field of the manifest, lists as wholes; gives the new ``resourceVersion``."""
        ...

    async def apply_status(self, ref: Ref, status: dict[str, Any]) -> None:
        """Server-side apply of all status fields that are the operator's."""
        ...

    async def create(self, manifest: Manifest) -> None:
        """Create; raises `ConflictError` when it exists."""
        ...

    async def delete(self, ref: Ref, uid: str) -> None:
        """Delete exactly this object."""
        ...

    async def read(self, ref: Ref) -> Manifest | None:
        """The live object, past the watches."""
        ...

    async def post_event(self, event: Manifest) -> None:
        """Tell an Event once."""
        ...


class Routers(Protocol):
    """The routers' pods."""

    async def show_provider_keys(self, version: str) -> None:
        """Have them see the provider keys of this ``resourceVersion`` soon. Raises nothing: they see them some time."""
        ...


class Gpus(Protocol):
    """The GPUs of the cluster's nodes."""

    async def suffice(self, request: GpuRequest) -> bool | None:
        """Whether a replica more finds its GPUs on some node; None when that cannot be told."""
        ...


class RuntimeStates(Protocol):
    """The control API of runtimes in pods."""

    async def state(self, ip: str) -> RuntimeState | None:
        """What the runtime at ``ip`` does; None when there was no answer."""
        ...

    async def in_flight(self, ip: str) -> int | None:
        """How many requests the runtime at ``ip`` works on; None when there was no answer."""
        ...
