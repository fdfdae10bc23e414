import pytest

from tests.cel_cases import CelCase, cel_cases, rule_messages
from tests.cluster.apiserver import ApiServer
from tests.cluster.errors import CommandError

pytestmark = pytest.mark.apiserver

CASES = cel_cases()


def _dry_run(server: ApiServer, namespace: str, case: CelCase, document: str) -> None:
    if case.stored is not None:
        server.kubectl("apply", f"--namespace={namespace}", "-f", "-", stdin=case.stored)
    server.kubectl("apply", f"--namespace={namespace}", "--dry-run=server", "-f", "-", stdin=document)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_object_is_accepted(custom_resources: ApiServer, case: CelCase) -> None:
    _dry_run(custom_resources, "default", case, case.accepted)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_object_is_refused_by_this_rule_alone(custom_resources: ApiServer, case: CelCase) -> None:
    with pytest.raises(CommandError) as refusal:
        _dry_run(custom_resources, "default", case, case.refused)
    spoken = {message for message in rule_messages(case.kind) if message in str(refusal.value)}
    assert spoken == {case.message}, refusal.value
