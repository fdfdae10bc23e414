"""Killing the operator is not noticed by callers; killing a router breaks only the connections it had, and no drain."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import openai
import pytest

from tests.cluster.fixtures import Cluster
from tests.eventually import eventually
from tests.installation import Installation, api_key, model, wait_rolled_out
from tests.killing import kill_pods

pytestmark = pytest.mark.cluster

TOKENS = 40
DUMMY = {"args": ["--tokens-per-second=40"], "type": "dummy"}


@dataclass
class Streams:
    """Streams one answer after the other until stopped, and keeps what happened to each."""

    client: openai.OpenAI
    complete: int = 0
    broken: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                stream = self.client.chat.completions.create(
                    model="steady", messages=[{"role": "user", "content": "go"}], max_tokens=TOKENS, stream=True
                )
                tokens = [c.delta.content for chunk in stream for c in chunk.choices if c.delta.content]
            except (openai.APIError, OSError) as error:
                self.broken.append(repr(error))
                time.sleep(0.2)  # keeps a refused caller from spinning; nothing waits for it
            else:
                if len(tokens) == TOKENS:
                    self.complete += 1
                else:
                    self.broken.append(f"{len(tokens)} of {TOKENS} tokens")


@pytest.fixture(scope="module")
def served(killable: Cluster, module_installation: Installation) -> Installation:
    module_installation.apply(model("steady", engine=DUMMY))
    module_installation.apply(api_key())
    module_installation.wait_ready("mdep/steady")
    module_installation.wait_routable(module_installation.client(module_installation.key()), "steady")
    return module_installation


@pytest.fixture
def streams(served: Installation) -> Streams:
    return Streams(served.client(served.key()))


@contextmanager
def running(streams: Streams) -> Iterator[None]:
    """Streams run for the length of the block."""
    thread = threading.Thread(target=streams.run)
    thread.start()
    try:
        eventually("streams run", lambda: streams.complete, lambda seen: seen >= 1, within=20)
        yield
    finally:
        streams.stopping.set()
        thread.join(30)


def wait_more(streams: Streams, count: int) -> None:
    """Until ``count`` more answers were whole."""
    before = streams.complete
    eventually("streams complete", lambda: streams.complete, lambda seen: seen >= before + count, within=40)


def pods(installation: Installation) -> set[str]:
    """Names of the model's pods, the leaving ones too."""
    return {pod["metadata"]["name"] for pod in installation.get("pods", "-l", "slipway.dev/model=steady")["items"]}


def leaving(installation: Installation) -> set[str]:
    """Names of those of the model's pods that were told to go."""
    found = installation.get("pods", "-l", "slipway.dev/model=steady")["items"]
    return {pod["metadata"]["name"] for pod in found if "deletionTimestamp" in pod["metadata"]}


def test_the_operators_death_is_not_noticed(killable: Cluster, served: Installation, streams: Streams) -> None:
    with running(streams):
        kill_pods(killable, "operator")
        wait_rolled_out(served.kubectl, "operator")
        wait_more(streams, 3)
    assert streams.broken == []


def test_a_routers_death_breaks_its_own_connections_only(
    killable: Cluster, served: Installation, streams: Streams
) -> None:
    with running(streams):
        kill_pods(killable, "router")
        eventually("the stream notices", lambda: len(streams.broken), lambda seen: seen >= 1, within=20)
        wait_rolled_out(served.kubectl, "router")
        wait_more(streams, 3)
        settled = len(streams.broken)
        wait_more(streams, 2)
    assert streams.broken[settled:] == []


def test_a_drain_survives_the_routers_death(killable: Cluster, served: Installation, streams: Streams) -> None:
    with running(streams):
        old = pods(served)
        served.kubectl("delete", "pod", *old, "-n", served.namespace, "--wait=false")
        eventually("the old pod drains", lambda: leaving(served), lambda names: names == old, within=20)
        kill_pods(killable, "router")
        eventually(
            "only the new pod is left", lambda: pods(served), lambda now: len(now) == 1 and not old & now, within=60
        )
        wait_rolled_out(served.kubectl, "router")
        wait_more(streams, 3)
        settled = len(streams.broken)
        wait_more(streams, 2)
    assert streams.broken[settled:] == []
