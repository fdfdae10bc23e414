"""From `kubectl apply` to the first token: ``python -m benchmarks.first_token [--rounds N]``.

Needs the test cluster with Slipway installed (`make cluster`). Each round applies a chat model of its own and asks for
it until a token comes; images are on the node already and the weights are part of the image, so what is measured is
Slipway, Kubernetes and the start of the engine.
"""

import argparse
import os
import statistics
import time

import openai
import yaml

from tests.cluster import binaries
from tests.cluster.cli import DEFAULT_NAME
from tests.cluster.kubectl import Kubectl
from tests.cluster.namespaces import temporary_namespace
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.cluster.provider import Choice
from tests.installation import Installation, api_key

GIVE_UP_SECONDS = 120


def chat_model(name: str) -> str:
    spec = {"model": {"source": "demo://chat"}, "engine": {"type": "llamacpp"}, "resources": {"gpu": {"count": 1}}}
    manifest = {
        "apiVersion": "slipway.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name},
        "spec": spec,
    }
    return yaml.safe_dump(manifest)


def first_token(client: openai.OpenAI, name: str, deadline: float) -> None:
    """Ask until the first token is there."""
    while time.monotonic() < deadline:
        try:
            stream = client.chat.completions.create(
                model=name, messages=[{"role": "user", "content": "What is Slipway?"}], stream=True
            )
            for chunk in stream:
                if any(choice.delta.content for choice in chunk.choices):
                    stream.close()
                    return
        except openai.APIStatusError:
            time.sleep(0.02)  # not known or not ready yet
    raise RuntimeError(f"{name}: no token within {GIVE_UP_SECONDS} s")


def measure(installation: Installation, rounds: int) -> list[float]:
    """Seconds of each round."""
    installation.apply(api_key())
    client = installation.client(installation.key())
    seconds = []
    for number in range(rounds):
        name = f"chat-{number}"
        begun = time.monotonic()
        installation.apply(chat_model(name))
        first_token(client, name, begun + GIVE_UP_SECONDS)
        seconds.append(time.monotonic() - begun)
        installation.kubectl("delete", "mdep", name, "-n", installation.namespace)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    paths = Paths.from_environment(os.environ)
    provider = Choice(paths, DEFAULT_NAME).provider("auto", Progress())
    kubectl = Kubectl(binaries.ensure(paths, ("kubectl",), Progress())["kubectl"], provider.kubeconfig())
    with temporary_namespace(kubectl) as namespace:
        seconds = measure(Installation(kubectl, namespace, dict(os.environ)), rounds)
    shown = " ".join(f"{value:.2f}" for value in sorted(seconds))
    print(f"kubectl apply to first token: median {statistics.median(seconds):.2f} s of {shown}")


if __name__ == "__main__":
    main()
