"""In a namespace that is being deleted nothing can be made: that is no failure, and not worth another try."""

from slipway_operator.adapters.kube_api import explain_refusal
from slipway_operator.domain.errors import NamespaceTerminatingError, RefusedError
from slipway_operator.domain.resources import MODEL_DEPLOYMENT, SERVICE, Ref
from tests.fakes.cluster import FakeCluster
from tests.operators import NAMESPACE, Operator, conditions, model

MODEL = Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")
REFUSAL = b"""{"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no more of that",
  "details": {"causes": [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]}}"""


def test_a_child_that_went_with_its_namespace_is_not_missed() -> None:
    cluster = FakeCluster()
    cluster.put(model())
    operator = Operator(cluster)
    operator.settle("m")
    before = conditions(cluster.objects[MODEL])
    cluster.remove(Ref(SERVICE, NAMESPACE, "m"))
    cluster.terminating.add(NAMESPACE)
    assert operator.pass_over("m") is None
    assert conditions(cluster.objects[MODEL]) == before


def test_the_api_servers_refusal_is_recognised_by_its_cause() -> None:
    assert type(explain_refusal(403, REFUSAL)) is NamespaceTerminatingError
    assert type(explain_refusal(403, REFUSAL.replace(b"NamespaceTerminating", b"Other"))) is RefusedError
