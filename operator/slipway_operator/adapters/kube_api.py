"""JSON in, JSON out over the official client's connection to the API server."""

import json
import socket
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client import rest

from slipway_operator.adapters.sockets import OpenSockets
from slipway_operator.domain.errors import (
    ClusterError,
    ConflictError,
    InvalidError,
    NamespaceTerminatingError,
    NotFoundError,
    RefusedError,
)

APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
JSON: Final = "application/json"
_TIMEOUT_SECONDS: Final = 15.0
_NAMESPACE_TERMINATING: Final = b'"NamespaceTerminating"'
"""The cause that a ``metav1.Status`` names then (k8s.io/api/core/v1, NamespaceTerminatingCause)."""
_ERRORS: Final = {403: RefusedError, 404: NotFoundError, 409: ConflictError, 422: InvalidError}


class CredentialsError(Exception):
    """There is no way to log in to an API server; the message says where it was looked for."""


class _Connections(rest.RESTClientObject):
    """The client's pool of connections, over sockets that are known."""

    def __init__(self, configuration: client.Configuration, sockets: OpenSockets) -> None:
        super().__init__(configuration)
        self._sockets = sockets

    def _create_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(limit=self.maxsize, ssl=self.ssl_context, socket_factory=self._socket)

    def _socket(self, address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, *_ = address
        made = socket.socket(family, kind, protocol)
        self._sockets.add(made)
        return made


class KubeApi:
    """Requests to one API server, with the credentials of the kubeconfig or of the pod's ServiceAccount.

    The generic call of the client is used rather than its typed ones: manifests are plain objects here from the
    builders to the wire, and the typed calls would parse each answer into models that nobody reads.
    """

    def __init__(self, api_client: client.ApiClient) -> None:
        self._sockets = OpenSockets()
        self._client = api_client
        self._client.rest_client = _Connections(api_client.configuration, self._sockets)

    @classmethod
    async def connect(cls, kubeconfig: str | None, user_agent: str, context: str | None = None) -> "KubeApi":
        """Credentials from the file ``kubeconfig``, or those of the pod when it is None.

        ``context`` is one of the file's; its current one unless it is named.

        Raises:
            CredentialsError: there are none that can be used.
        """
        configuration = client.Configuration()
        try:
            if kubeconfig is None:
                config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            else:
                await config.load_kube_config(
                    config_file=kubeconfig, context=context, client_configuration=configuration
                )  # type: ignore[no-untyped-call]
        except config.ConfigException as error:
            where = f"KUBECONFIG {kubeconfig}" if kubeconfig else "the pod's ServiceAccount, KUBECONFIG is not set"
            raise CredentialsError(f"no credentials for the API server ({where}): {error}") from error
        api_client = client.ApiClient(configuration)
        api_client.user_agent = user_agent
        return cls(api_client)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()  # type: ignore[no-untyped-call]
        # aiohttp forgets those of requests that were given up.
        await self._sockets.end()

    async def request(
        self, method: str, path: str, body: Any = None, *, content_type: str = JSON, **query: str
    ) -> dict[str, Any]:
        """The object that the API server answers with.

        Raises:
            ClusterError: any answer but 2xx, or none; its subclass where there is one for the answer.
        """
        serialized = await self._client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params={"Accept": JSON, "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = await self._client.call_api(*serialized, _request_timeout=_TIMEOUT_SECONDS)
            payload = await response.read()  # type: ignore[no-untyped-call]
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ClusterError(0, f"{method} {path}: {type(error).__name__}: {error}") from error
        if 200 <= response.status < 300:
            answer: dict[str, Any] = json.loads(payload)
            return answer
        raise explain_refusal(response.status, payload)


def explain_refusal(status: int, payload: bytes) -> ClusterError:
    """The error that an answer with ``status`` and a ``metav1.Status`` stands for."""
    kind = _ERRORS.get(status, ClusterError)
    if status == HTTPStatus.FORBIDDEN and _NAMESPACE_TERMINATING in payload:
        kind = NamespaceTerminatingError
    return kind(status, _message(payload, status))


def _message(payload: bytes, status: int) -> str:
    """The ``message`` of a ``metav1.Status``, or the beginning of whatever came instead."""
    try:
        return str(json.loads(payload)["message"])
    except (ValueError, KeyError, TypeError):
        return payload[:200].decode(errors="replace") or f"HTTP {status}"
