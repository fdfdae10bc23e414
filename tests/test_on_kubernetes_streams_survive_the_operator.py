"""Killing the operator is not noticed by callers; killing a router breaks only the connections it had."""

import threading
import time
from dataclasses import dataclass, field

import openai
import pytest

from tests.eventually import eventually
from tests.installation import SYSTEM_NAMESPACE, Installation, api_key, model

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
def served(module_installation: Installation) -> Installation:
    module_installation.apply(model("steady", engine=DUMMY))
    module_installation.apply(api_key())
    module_installation.wait_ready("mdep/steady")
    module_installation.wait_routable(module_installation.client(module_installation.key()), "steady")
    return module_installation


@pytest.fixture
def streams(served: Installation) -> Streams:
    return Streams(served.client(served.key()))


def kill_pods(installation: Installation, component: str) -> None:
    selector = f"app.kubernetes.io/component={component}"
    installation.kubectl("delete", "pod", "-l", selector, "-n", SYSTEM_NAMESPACE, "--grace-period=0", "--force")


def test_the_operators_death_is_not_noticed(served: Installation, streams: Streams) -> None:
    thread = threading.Thread(target=streams.run)
    thread.start()
    try:
        eventually("streams run", lambda: streams.complete, lambda seen: seen >= 1, within=20)
        kill_pods(served, "operator")
        served.kubectl("rollout", "status", "deployment/slipway-operator", "-n", SYSTEM_NAMESPACE, "--timeout=60s")
        before = streams.complete
        eventually("streams go on", lambda: streams.complete, lambda seen: seen >= before + 3, within=30)
    finally:
        streams.stopping.set()
        thread.join(30)
    assert streams.broken == []


def test_a_routers_death_breaks_its_own_connections_only(served: Installation, streams: Streams) -> None:
    thread = threading.Thread(target=streams.run)
    thread.start()
    try:
        eventually("streams run", lambda: streams.complete, lambda seen: seen >= 1, within=20)
        kill_pods(served, "router")
        broken_at_once = eventually(
            "the stream notices", lambda: len(streams.broken), lambda seen: seen >= 1, within=20
        )
        served.kubectl("rollout", "status", "deployment/slipway-router", "-n", SYSTEM_NAMESPACE, "--timeout=60s")
        before = streams.complete
        eventually("new streams complete", lambda: streams.complete, lambda seen: seen >= before + 3, within=40)
        settled = len(streams.broken)
        eventually("and go on", lambda: streams.complete, lambda seen: seen >= before + 5, within=30)
    finally:
        streams.stopping.set()
        thread.join(30)
    assert broken_at_once >= 1
    assert streams.broken[settled:] == []
