"""Deleting a ModelDeployment takes everything with it, even while the operator is down; no finalizer hangs."""

import pytest

from tests.eventually import eventually
from tests.installation import SYSTEM_NAMESPACE, Installation, api_key, model, wait_rolled_out

pytestmark = pytest.mark.cluster

OPERATOR = ("deployment/slipway-operator", "-n", SYSTEM_NAMESPACE)


def test_everything_goes_even_without_the_operator(installation: Installation) -> None:
    installation.apply(model("gone", cache={"size": "10Mi"}, autoscaling={"maxReplicas": 2}))
    installation.apply(api_key("gone"))
    installation.key("gone")
    eventually("children", lambda: installation.children("gone"), lambda seen: len(seen) >= 5, within=15)
    installation.kubectl("scale", *OPERATOR, "--replicas=0")
    try:
        installation.kubectl("delete", "mdep/gone", "apikey/gone", "-n", installation.namespace, "--timeout=20s")
        left = eventually(
            "nothing owned is left",
            lambda: [
                *installation.children("gone"),
                *installation.get("pods", "-l", "slipway.dev/model=gone")["items"],
            ],
            lambda seen: not seen,
            within=60,
        )
        secret = eventually(
            "the key's Secret is gone",
            lambda: installation.exists("secret", "gone-apikey"),
            lambda there: not there,
            within=20,
        )
        assert (left, secret) == ([], False)
    finally:
        installation.kubectl("scale", *OPERATOR, "--replicas=1")
        wait_rolled_out(installation.kubectl, "operator")
