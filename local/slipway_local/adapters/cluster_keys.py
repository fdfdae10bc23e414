"""APIKeys in a cluster, as `slipway keys` changes them: with the rights of whoever calls it."""

import asyncio
import base64
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from slipway_crds.api_key import APIKey
from slipway_crds.names import API_VERSION
from slipway_local.domain.key_orders import KeyOrder, KnownKey, UnusableKeyError, known_key, rotation_moment
from slipway_operator.adapters.kube_api import MERGE, KubeApi
from slipway_operator.domain.errors import ClusterError, ConflictError, NotFoundError

_WAIT_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.2
_SECRET_FIELD: Final = "key"


class ClusterKeys:
    """The APIKeys of one namespace."""

    def __init__(self, api: KubeApi, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    async def list(self) -> Sequence[KnownKey]:
        """Every APIKey of the namespace. Raises UnusableKeyError."""
        answer = await self._request("GET", self._path())
        return [known_key(APIKey.model_validate(item)) for item in answer["items"]]

    async def show(self, name: str) -> str:
        """The key, from its Secret. Raises UnusableKeyError."""
        return await self._clear_text(APIKey.model_validate(await self._get(name)))

    async def create(self, order: KeyOrder) -> str:
        """Make the APIKey; gives the key that the operator then makes. Raises UnusableKeyError."""
        try:
            await self._request("POST", self._path(), order.manifest(self._namespace, datetime.now(UTC)))
        except _ConflictError:
            raise UnusableKeyError(f"there is an APIKey {order.name} in namespace {self._namespace} already") from None
        return await self._issued(order.name, after=())

    async def rotate(self, name: str, overlap: float | None) -> str:
        """Have the operator make another key. Raises UnusableKeyError.

        The old one is valid for ``overlap`` seconds, which the APIKey then says of later rotations, too; for as long
        as it says already, if that is None.
        """
        before = APIKey.model_validate(await self._get(name))
        hashes = tuple(item.sha256 for item in before.status.key_hashes or ())
        at = rotation_moment(before, datetime.now(UTC))
        rotation = {"at": at} if overlap is None else {"at": at, "overlap": f"{overlap:.0f}s"}
        await self._request("PATCH", self._path(name), {"spec": {"rotation": rotation}})
        return await self._issued(name, after=hashes)

    async def revoke(self, name: str) -> str:
        """Delete the APIKey, and with it its Secret. Raises UnusableKeyError."""
        await self._request("DELETE", self._path(name))
        return f"key {name} is revoked"

    async def _issued(self, name: str, after: Sequence[str]) -> str:
        """The key, once the operator has published a hash that is not among ``after``."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            key = APIKey.model_validate(await self._get(name))
            hashes = [item.sha256 for item in key.status.key_hashes or ()]
            if hashes and hashes[0] not in after:
                return await self._clear_text(key)
            if time.monotonic() > deadline:
                why = next(
                    (c.message for c in key.status.conditions or () if c.type == "Ready"), "the operator is away"
                )
                raise UnusableKeyError(f"APIKey {name} stands, but has no key after {_WAIT_SECONDS:.0f} s: {why}")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _clear_text(self, key: APIKey) -> str:
        path = f"/api/v1/namespaces/{self._namespace}/secrets/{key.secret_name}"
        secret = await self._request("GET", path)
        try:
            return base64.b64decode(secret["data"][_SECRET_FIELD]).decode()
        except (KeyError, ValueError):
            raise UnusableKeyError(f"Secret {key.secret_name} has no field '{_SECRET_FIELD}' with a key") from None

    async def _get(self, name: str) -> dict[str, Any]:
        return await self._request("GET", self._path(name))

    def _path(self, name: str = "") -> str:
        path = f"/apis/{API_VERSION}/namespaces/{self._namespace}/{APIKey.plural}"
        return f"{path}/{name}" if name else path

    async def _request(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        content_type = {"content_type": MERGE} if method == "PATCH" else {}
        try:
            return await self._api.request(method, path, body, **content_type)
        except NotFoundError as error:
            if path == self._path():
                raise UnusableKeyError(f"namespace {self._namespace} takes no APIKeys: {error}") from None
            raise UnusableKeyError(f"{path.rpartition('/')[2]} is not in namespace {self._namespace}") from None
        except ConflictError as error:
            raise _ConflictError(str(error)) from None
        except ClusterError as error:
            raise UnusableKeyError(f"the cluster refuses or does not answer: {error}") from None


class _ConflictError(UnusableKeyError):
    pass
