"""Kubernetes namespaces for single tests."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.kubectl import Kubectl


@contextmanager
def temporary_namespace(kubectl: Kubectl) -> Iterator[str]:
    """Make a namespace with a name of its own and delete it afterwards, without waiting for what is in it to go."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    try:
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")
