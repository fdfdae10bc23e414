"""Pytest fixtures: the installed chart with a namespace of its own for a module or a test, and shared models."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cluster import release
from tests.cluster.fixtures import Cluster
from tests.cluster.kubectl import Kubectl
from tests.cluster.namespaces import temporary_namespace
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.installation import Installation, api_key, model

_VLLM_READY_SECONDS = 600


@pytest.fixture(scope="module")
def module_installation(slipway: Cluster) -> Iterator[Installation]:
    """Slipway on the cluster, with a namespace for a test file."""
    with _models_namespace(slipway.kubectl) as namespace, _installation(slipway, namespace) as installation:
        yield installation


@pytest.fixture
def installation(slipway: Cluster) -> Iterator[Installation]:
    """Slipway on the cluster, with a namespace for one test."""
    with _models_namespace(slipway.kubectl) as namespace, _installation(slipway, namespace) as installation:
        yield installation


@pytest.fixture(scope="session")
def vllm_installation(slipway: Cluster, cluster_paths: Paths) -> Iterator[Installation]:
    """A namespace with the model ``vllm``, ready, its adapters ``pirate`` and ``brief``, and the APIKey ``demo``.

    One for the session: vLLM takes a minute to start, and gigabytes.
    """
    (image,) = release.load_images(slipway.provider, cluster_paths, ["runtime-vllm-cpu"], Progress())
    with _models_namespace(slipway.kubectl) as namespace, _installation(slipway, namespace) as installation:
        installation.apply(api_key())
        installation.apply(
            model(
                "vllm",
                model={"source": "demo://chat"},
                # Not computed anew by the installation: somebody may have edited a file meanwhile.
                engine={"type": "vllm", "image": image.reference, "args": ["--kv-cache-memory-bytes=67108864"]},
                adapters=[{"name": name, "source": f"demo://chat-lora-{name}"} for name in ("pirate", "brief")],
                resources={"requests": {"cpu": "500m", "memory": "3Gi"}, "limits": {"memory": "6Gi"}},
            )
        )
        installation.wait_ready("mdep/vllm", seconds=_VLLM_READY_SECONDS)
        yield installation


@contextmanager
def _models_namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace whose models are gone first: Kubernetes deletes the pods of a namespace before anything else, and
    while these take their time, its models would hold names that the next test's models want."""
    with temporary_namespace(kubectl) as name:
        try:
            yield name
        finally:
            kubectl("delete", "mdep", "--all", "-n", name)


@contextmanager
def _installation(slipway: Cluster, namespace: str) -> Iterator[Installation]:
    invocation = slipway.provider.inside(["true"])
    installation = Installation(slipway.kubectl, namespace, {**os.environ, **invocation.env})
    with installation.closing:
        yield installation
