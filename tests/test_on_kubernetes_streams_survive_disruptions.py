"""Hundreds of streams run, more come all the time, and the parts of the cluster are taken from under them on purpose.

A rollout, a scale-down, the drain of a node and a restart of the routers: no answer breaks, no request is refused; also
when the operator dies in the middle of it.
"""

import json
from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.cluster import images, release
from tests.cluster.fixtures import Cluster
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.eventually import eventually
from tests.installation import SYSTEM_NAMESPACE, Installation, api_key, model
from tests.killing import kill_pods
from tests.streaming_callers import StreamingCallers

pytestmark = pytest.mark.cluster

MODEL = "steady"
STREAMS = 300
ROUTERS = 2
LONE, LONE_STREAMS = "lone", 20
FEW, MANY = 2, 4
ENGINE = {"type": "dummy", "args": ["--tokens-per-second=3"]}
SLOTS = {"maxConcurrency": 2 * STREAMS}
TEMPLATE_PODS = f"slipway.dev/model={MODEL}"


@pytest.fixture(scope="module")
def two_nodes(killable: Cluster, cluster_paths: Paths) -> Iterator[Cluster]:
    """The cluster with a second node and a second router; afterwards the others' tests see one of each again."""
    killable.provider.up(2)
    nodes = [node["metadata"]["name"] for node in killable.kubectl.get("nodes")["items"]]
    killable.kubectl("uncordon", nodes[1])
    release.install(killable.provider, cluster_paths, Progress(), [f"--set=router.replicas={ROUTERS}"])
    yield killable
    killable.kubectl("cordon", nodes[1])
    release.install(killable.provider, cluster_paths, Progress())


@pytest.fixture(scope="module")
def served(two_nodes: Cluster, module_installation: Installation) -> Installation:
    module_installation.apply(model(MODEL, engine=ENGINE, routing=SLOTS, replicas=FEW))
    module_installation.apply(api_key())
    module_installation.wait_ready(f"mdep/{MODEL}")
    module_installation.wait_routable(module_installation.client(module_installation.key()), MODEL)
    return module_installation


@pytest.fixture
def lone_callers(two_nodes: Cluster, served: Installation) -> Iterator[StreamingCallers]:
    """Callers of a model with a single replica, on the node that is to be drained."""
    node = two_nodes.kubectl.get("nodes")["items"][1]["metadata"]
    place = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node["labels"]["kubernetes.io/hostname"]]}
    preference = {"weight": 100, "preference": {"matchExpressions": [place]}}
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preference]}}
    served.apply(model(LONE, engine=ENGINE, template={"affinity": affinity}))
    served.wait_ready(f"mdep/{LONE}")
    served.wait_routable(served.client(served.key()), LONE)
    with StreamingCallers(served.router_url, served.key(), LONE, LONE_STREAMS) as calling:
        calling.wait_running()
        yield calling
    served.kubectl("delete", "mdep", LONE, "-n", served.namespace)


@pytest.fixture(scope="module")
def callers(served: Installation) -> Iterator[StreamingCallers]:
    with StreamingCallers(served.router_url, served.key(), MODEL, STREAMS) as calling:
        yield calling


def pods(installation: Installation) -> dict[str, str]:
    """Name → node of the model's pods, the leaving ones too."""
    found = installation.get("pods", "-l", TEMPLATE_PODS)["items"]
    return {pod["metadata"]["name"]: pod["spec"].get("nodeName", "") for pod in found}


def routers(installation: Installation) -> dict[str, str]:
    """Name → node of the routers' pods, the leaving ones too."""
    selector = "app.kubernetes.io/component=router"
    found = installation.kubectl.get("pods", "-l", selector, "-n", SYSTEM_NAMESPACE)["items"]
    return {pod["metadata"]["name"]: pod["spec"].get("nodeName", "") for pod in found}


def patch(installation: Installation, **spec: object) -> None:
    """Change a model's spec, and wait until the operator has acted on it."""
    body = json.dumps({"spec": spec})
    changed = installation.kubectl(
        "patch",
        "mdep",
        MODEL,
        "-n",
        installation.namespace,
        "--type=merge",
        "-p",
        body,
        "-o",
        "jsonpath={.metadata.generation}",
    )
    eventually(
        "the operator has seen it",
        lambda: installation.get("mdep", MODEL)["status"]["observedGeneration"],
        lambda generation: generation >= int(changed),
        within=15,
    )


def wait_gone(look: Callable[[], Mapping[str, str]], old: set[str], left: int) -> None:
    """Until ``look`` finds none of the pods ``old`` any more, and ``left`` others."""
    eventually(
        "the old pods are gone",
        look,
        lambda now: len(now) == left and not old & set(now),
        within=75,
        every=0.5,
    )


def test_a_rollout_to_a_new_image(two_nodes: Cluster, served: Installation, callers: StreamingCallers) -> None:
    old = set(pods(served))
    with callers.undisturbed(at_least=STREAMS // 2):
        # The dummy engine is in every runtime's image.
        patch(served, engine={**ENGINE, "image": images.reference("runtime-llamacpp")})
        kill_pods(two_nodes, "operator")
        wait_gone(lambda: pods(served), old, left=FEW)


def test_a_drain_of_a_node(served: Installation, callers: StreamingCallers, lone_callers: StreamingCallers) -> None:
    node = served.kubectl.get("nodes")["items"][1]["metadata"]["name"]
    before = pods(served)
    leaving = {name for name, place in before.items() if place == node}
    assert leaving
    assert node in routers(served).values()
    with callers.undisturbed(at_least=STREAMS // 2):
        served.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=90s", timeout=100)
        wait_gone(lambda: pods(served), leaving, left=FEW)
        assert node not in {*pods(served).values(), *routers(served).values()}
        served.kubectl("uncordon", node)
    # A model whose only replica goes makes new requests wait for its successor.
    assert lone_callers.seen.complete >= LONE_STREAMS
    lone_callers.seen.require_no_failures()


def test_a_restart_of_the_routers(served: Installation, callers: StreamingCallers) -> None:
    old = set(routers(served))
    with callers.undisturbed(at_least=STREAMS // 2):
        served.kubectl("rollout", "restart", "deployment/slipway-router", "-n", SYSTEM_NAMESPACE)
        wait_gone(lambda: routers(served), old, left=ROUTERS)


def test_four_replicas_become_one(two_nodes: Cluster, served: Installation, callers: StreamingCallers) -> None:
    patch(served, replicas=MANY)
    eventually("four serve", lambda: served.get("mdep", MODEL)["status"]["ready"], lambda it: it == "4/4", within=40)
    with callers.undisturbed(at_least=STREAMS):
        patch(served, replicas=1)
        kill_pods(two_nodes, "operator")
        eventually("one is left", lambda: pods(served), lambda now: len(now) == 1, within=75, every=0.5)
