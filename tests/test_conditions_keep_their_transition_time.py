from datetime import UTC, datetime, timedelta

from slipway_crds.conditions import Condition, ConditionType, Reason, condition, set_condition

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ready(status: bool | None, now: datetime, reason: Reason = Reason.READY, message: str = "") -> Condition:
    return condition(ConditionType.READY, status=status, reason=reason, message=message, generation=1, now=now)


def test_transition_time_stays_while_the_status_stays() -> None:
    conditions = set_condition([], ready(False, NOON, Reason.PENDING))
    later = set_condition(conditions, ready(False, NOON + timedelta(hours=1), Reason.UNSCHEDULABLE, "no GPU"))
    assert [(c.reason, c.message, c.last_transition_time) for c in later] == [("Unschedulable", "no GPU", NOON)]


def test_transition_time_moves_with_the_status() -> None:
    conditions = set_condition([], ready(False, NOON, Reason.PENDING))
    later = set_condition(conditions, ready(True, NOON + timedelta(hours=1)))
    assert [c.last_transition_time for c in later] == [NOON + timedelta(hours=1)]


def test_setting_two_types_keeps_both() -> None:
    progressing = condition(
        ConditionType.PROGRESSING, status=True, reason=Reason.ROLLING_OUT, message="", generation=1, now=NOON
    )
    both = set_condition(set_condition([], ready(None, NOON)), progressing)
    assert [(c.type, c.status) for c in both] == [("Progressing", "True"), ("Ready", "Unknown")]


def test_a_condition_is_written_as_metav1_condition() -> None:
    assert ready(True, NOON).to_dict() == {
        "type": "Ready",
        "status": "True",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T12:00:00Z",
        "reason": "Ready",
        "message": "",
    }
