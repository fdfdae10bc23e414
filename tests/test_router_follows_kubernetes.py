"""Models, replicas and keys take effect within two seconds of the API server's word, without a restart."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.router_process import RouterProcess, RouterRights, World

pytestmark = pytest.mark.apiserver
SECONDS = 2.0


@pytest.fixture(scope="module")
def router(router_rights: RouterRights, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RouterProcess]:
    with router_rights.running(tmp_path_factory.mktemp("router")) as running:
        yield running


def follow(router: RouterProcess, key: str, wanted: object) -> None:
    eventually(f"the router says {wanted}", lambda: router.states(key), lambda seen: seen == wanted, within=SECONDS)


def test_a_key_counts_while_it_exists(router: RouterProcess, world: World) -> None:
    key = f"sk-{world.namespace}"
    assert router.states(key) == 401
    world.key("one", key, models=["none-*"])
    follow(router, key, {})
    world.delete("apikey", "one")
    follow(router, key, 401)


def test_a_model_is_known_before_it_serves(router: RouterProcess, world: World) -> None:
    key, name = f"sk-{world.namespace}", f"m-{world.namespace}"
    world.key("one", key, models=[f"*{world.namespace}"])
    world.model(name)
    follow(router, key, {name: "unavailable"})
    world.replica(name, "10.255.0.1", ready=True)
    follow(router, key, {name: "ready"})
    world.replica(name, "10.255.0.1", ready=False)
    follow(router, key, {name: "unavailable"})
    world.delete("modeldeployment", name)
    follow(router, key, {})


def test_an_allow_list_that_changes_counts_at_once(router: RouterProcess, world: World) -> None:
    key, name = f"sk-{world.namespace}", f"m-{world.namespace}"
    world.model(name)
    world.key("one", key, models=[name])
    follow(router, key, {name: "unavailable"})
    world.key("one", key, models=["other"])
    follow(router, key, {})


def test_it_can_keep_to_some_namespaces(router_rights: RouterRights, world: World, tmp_path: Path) -> None:
    elsewhere = World(world.kubectl, "default")
    here, there = f"here-{world.namespace}", f"there-{world.namespace}"
    key = f"sk-{world.namespace}"
    world.key("one", key, models=[f"*{world.namespace}"])
    world.model(here)
    elsewhere.model(there)
    with router_rights.running(tmp_path, SLIPWAY_WATCH_NAMESPACES=world.namespace) as router:
        follow(router, key, {here: "unavailable"})
    elsewhere.delete("modeldeployment", there)


def test_it_ends_orderly(router_rights: RouterRights, tmp_path: Path) -> None:
    with router_rights.running(tmp_path) as router:
        assert "slipway_router_synced 1.0" in router.admin("/metrics").text
        assert router.end(signal.SIGTERM) == 0, router.log.read_text()
