from slipway_crds.documents import KINDS
from tests.cel_cases import cel_cases, rule_messages


def test_every_rule_has_a_case_and_every_case_a_rule() -> None:
    with_case = {(case.kind, case.message) for case in cel_cases()}
    rules = {(kind, message) for kind in KINDS for message in rule_messages(kind)}
    assert with_case == rules
