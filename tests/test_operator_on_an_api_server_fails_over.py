"""Of two operators one acts; when it ends or dies the other one takes over."""

import json
import signal
from pathlib import Path

import pytest

from tests.chart import NAMESPACE as SYSTEM_NAMESPACE
from tests.cluster.apiserver import ApiServer
from tests.eventually import eventually
from tests.installation import model
from tests.operator_process import OperatorRights

pytestmark = pytest.mark.apiserver

QUICK = {"SLIPWAY_LEASE_DURATION": "3s"}


def has_status(server: ApiServer, namespace: str, name: str) -> bool:
    return bool(server.kubectl.get("mdep", name, "-n", namespace).get("status"))


def test_the_other_takes_over(operator_rights: OperatorRights, apiserver_namespace: str, tmp_path: Path) -> None:
    server = operator_rights.server
    with (
        operator_rights.running(tmp_path, "a", **QUICK) as first,
        operator_rights.running(tmp_path, "b", **QUICK) as second,
    ):
        leader = eventually(
            "one leads", lambda: [o for o in (first, second) if o.leads()], lambda seen: len(seen) == 1, within=20
        )[0]
        follower = second if leader is first else first
        assert (follower.status("/readyz"), follower.passes()) == (200, 0)

        leader.end(signal.SIGKILL)
        eventually("the other leads", follower.leads, bool, within=10)
        server.kubectl("apply", "-n", apiserver_namespace, "-f", "-", stdin=model("after-a-death"))
        eventually("it acts", lambda: has_status(server, apiserver_namespace, "after-a-death"), bool, within=10)

        with operator_rights.running(tmp_path, "c", **QUICK) as third:
            assert not third.leads()
            assert follower.end(signal.SIGTERM) == 0, follower.log.read_text()
            # A Lease that was given back need not expire first.
            eventually("the third leads", third.leads, bool, within=2.5)


def test_a_leader_that_lost_the_lease_ends(operator_rights: OperatorRights, tmp_path: Path) -> None:
    with operator_rights.running(tmp_path, "loser", **QUICK) as loser:
        eventually("it leads", loser.leads, bool, within=20)
        stolen = json.dumps({"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 30}})
        kubectl = operator_rights.server.kubectl
        kubectl("patch", "lease/slipway-operator", "-n", SYSTEM_NAMESPACE, "--type=merge", "-p", stolen)
        assert loser.process.wait(10) == 1, loser.log.read_text()
        kubectl("delete", "lease/slipway-operator", "-n", SYSTEM_NAMESPACE)
