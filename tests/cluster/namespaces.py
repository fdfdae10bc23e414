"""Kubernetes namespaces for single tests."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.kubectl import Kubectl

_GROUP = "slipway.dev"


@contextmanager
def temporary_namespace(kubectl: Kubectl) -> Iterator[str]:
    """Make a namespace with a name of its own and delete it afterwards, without waiting for what is in it to go."""
    name = _new_namespace(kubectl)
    try:
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


@contextmanager
def emptied_namespace(kubectl: Kubectl) -> Iterator[str]:
    """Make a namespace and delete Slipway's objects in it afterwards.

    For an API server without controllers: nothing empties a deleted namespace there, and operators of later tests would
    find what earlier ones left.
    """
    name = _new_namespace(kubectl)
    try:
        yield name
    finally:
        kinds = kubectl("api-resources", f"--api-group={_GROUP}", "--output=name").split()
        if kinds:
            kubectl("delete", ",".join(kinds), "--all", "-n", name)


def _new_namespace(kubectl: Kubectl) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    return name
