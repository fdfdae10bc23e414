"""The metrics API's certificate and APIServices on a real API server: renewed, replaced, and others' left alone."""

import asyncio
import base64
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from cryptography import x509

from slipway_operator.adapters.metrics_api.authority import LIFETIME, RENEWAL
from slipway_operator.domain.errors import ConflictError, NotFoundError
from slipway_operator.domain.metrics_api.serving import ServingIdentity, api_service_names
from tests.cluster.apiserver import ApiServer
from tests.cluster.errors import CommandError
from tests.eventually import eventually
from tests.metrics_apis import SERVICE, registration, remove_api_services, serving

pytestmark = pytest.mark.apiserver

DISCOVERY = "/apis/custom.metrics.k8s.io/v1beta2"


@pytest.fixture(autouse=True)
def unregistered(apiserver: ApiServer) -> Iterator[None]:
    remove_api_services(apiserver)
    yield
    remove_api_services(apiserver)


def shown(port: int) -> int:
    """Serial number of the certificate that the server shows."""
    pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=5)
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def authorities(server: ApiServer) -> str:
    bundle = server.kubectl.get("apiservice", "v1beta2.custom.metrics.k8s.io")["spec"]["caBundle"]
    return base64.b64decode(bundle).decode()


def kept(server: ApiServer, namespace: str) -> str:
    return base64.b64decode(server.kubectl.get("secret", SERVICE, "-n", namespace)["data"]["ca.crt"]).decode()


def answers(server: ApiServer) -> bool:
    try:
        return "APIResourceList" in server.kubectl("get", "--raw", DISCOVERY)
    except CommandError:
        return False


def test_the_certificate_is_renewed_while_it_serves(apiserver: ApiServer, apiserver_namespace: str) -> None:
    clock = {"behind": LIFETIME - RENEWAL + timedelta(days=1)}
    with serving(apiserver, apiserver_namespace, now=lambda: datetime.now(UTC) - clock["behind"]) as started:
        eventually("it answers through the API server", lambda: answers(apiserver), bool, within=20)
        first, trusted = shown(started.port), authorities(apiserver)
        clock["behind"] = timedelta()
        eventually("another certificate is shown", lambda: shown(started.port), lambda seen: seen != first, within=10)
        assert authorities(apiserver) == trusted
        eventually("it still answers", lambda: answers(apiserver), bool, within=20)


def test_a_lost_secret_is_made_anew_and_trusted(apiserver: ApiServer, apiserver_namespace: str) -> None:
    with serving(apiserver, apiserver_namespace) as started:
        eventually("it answers", lambda: answers(apiserver), bool, within=20)
        before = authorities(apiserver)
        apiserver.kubectl("delete", "secret", SERVICE, "-n", apiserver_namespace)
        eventually("another authority", lambda: authorities(apiserver), lambda seen: seen != before, within=10)
        assert authorities(apiserver) == kept(apiserver, apiserver_namespace)
        eventually("it answers again", lambda: answers(apiserver), bool, within=20)
        assert started.state.registered


def test_replicas_share_one_certificate(apiserver: ApiServer, apiserver_namespace: str) -> None:
    empty = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SERVICE, "namespace": apiserver_namespace}}
    apiserver.kubectl.apply(yaml.safe_dump(empty))

    async def main() -> None:
        async with (
            registration(apiserver, apiserver_namespace) as (_, one),
            registration(apiserver, apiserver_namespace) as (_, other),
        ):
            at_once = await asyncio.gather(one.identity(), other.identity(), return_exceptions=True)
            assert all(isinstance(each, ServingIdentity | ConflictError) for each in at_once), at_once
            settled = await one.identity()
            assert settled in at_once
            assert await other.identity() == settled

    asyncio.run(main())


def test_nothing_is_written_while_all_is_right(apiserver: ApiServer, apiserver_namespace: str) -> None:
    def written() -> list[Any]:
        """When and by whom; but for the status, which is the API server's."""
        things = [("apiservice", name) for name in api_service_names()] + [("secret", SERVICE)]
        found = [
            apiserver.kubectl.get(kind, name, "-n", apiserver_namespace, "--show-managed-fields")
            for kind, name in things
        ]
        entries = [entry for body in found for entry in body["metadata"]["managedFields"]]
        return [entry for entry in entries if entry.get("subresource") != "status"]

    async def main() -> list[list[Any]]:
        seen = []
        async with registration(apiserver, apiserver_namespace) as (_, ours):
            for _ in range(2):
                assert await ours.register(await ours.identity()) == ()
                seen.append(written())
                # Times of writes are in whole seconds.
                await asyncio.sleep(1.1)
        return seen

    first, second = asyncio.run(main())
    assert first == second


def test_it_goes_with_its_owner(apiserver: ApiServer, apiserver_namespace: str) -> None:
    role = {"kind": "ClusterRole", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "test-owner"}}

    async def main() -> None:
        async with registration(apiserver, apiserver_namespace, owner="test-owner") as (_, ours):
            identity = await ours.identity()
            with pytest.raises(NotFoundError):
                await ours.register(identity)
            assert not [each for each in api_services(apiserver) if each in api_service_names()]
            apiserver.kubectl.apply(yaml.safe_dump({**role, "rules": []}))
            assert await ours.register(identity) == ()

    asyncio.run(main())
    uid = apiserver.kubectl.get("clusterrole", "test-owner")["metadata"]["uid"]
    for name in api_service_names():
        (reference,) = apiserver.kubectl.get("apiservice", name)["metadata"]["ownerReferences"]
        assert (reference["kind"], reference["uid"]) == ("ClusterRole", uid)
    apiserver.kubectl("delete", "clusterrole", "test-owner")


def api_services(server: ApiServer) -> list[str]:
    names = server.kubectl("get", "apiservices", "-o", "name").split()
    return [name.removeprefix("apiservice.apiregistration.k8s.io/") for name in names]


@pytest.mark.parametrize("labelled", [False, True], ids=["not our label", "another Service"])
def test_somebody_elses_api_is_left_alone(apiserver: ApiServer, apiserver_namespace: str, labelled: bool) -> None:
    name = "v1beta1.custom.metrics.k8s.io"
    apiserver.kubectl.apply(foreign_api_service(name, apiserver_namespace, labelled))
    before = apiserver.kubectl.get("apiservice", name)
    with serving(apiserver, apiserver_namespace) as started:
        eventually("it is told", lambda: started.state.foreign, lambda seen: seen == (name,), within=10)
        assert not started.state.registered
        assert name in started.state.message
        after = apiserver.kubectl.get("apiservice", name)
        assert (after["spec"], after["metadata"]["labels"]) == (before["spec"], before["metadata"]["labels"])
        assert "v1beta2.custom.metrics.k8s.io" not in api_services(apiserver)
        remove_api_services(apiserver)
        eventually("it takes its place", lambda: started.state.registered, bool, within=10)


def foreign_api_service(name: str, namespace: str, labelled: bool) -> str:
    manager = "slipway-operator" if labelled else "prometheus-adapter"
    spec = {
        "group": "custom.metrics.k8s.io",
        "version": name.partition(".")[0],
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "insecureSkipTLSVerify": True,
        "service": {"name": "prometheus-adapter", "namespace": namespace},
    }
    metadata = {"name": name, "labels": {"app.kubernetes.io/managed-by": manager}}
    api_service = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": metadata,
        "spec": spec,
    }
    return yaml.safe_dump(api_service)
