"""A body or a frame with a field that there is not is refused in words that name it, whatever it is called."""

import json

import pytest

from slipway_router.adapters.api.dispatch import read_body
from slipway_router.domain.api.management import ManageRequest
from slipway_router.domain.api.socket_frames import read_frame
from slipway_router.domain.errors import Problem, RequestError


def refusals_of(field: str) -> list[Problem]:
    problems = []
    with pytest.raises(RequestError) as refusal:
        read_body(json.dumps({"model": "chat", field: 1}).encode(), ManageRequest)
    problems.append(refusal.value.problem)
    with pytest.raises(RequestError) as refusal:
        read_frame(json.dumps({"type": "cancel", "id": "1", field: 1}))
    return [*problems, refusal.value.problem]


@pytest.mark.parametrize("field", ["mine", "max-tokens", "str", "a b", "0", "ü.ß"])
def test_it_is_named(field: str) -> None:
    for problem in refusals_of(field):
        assert (problem.code.code, problem.param) == ("invalid_value", field)
        assert problem.message == f"There is no field '{field}'."


def test_a_long_name_is_cut() -> None:
    for problem in refusals_of("x" * 10_000):
        assert len(problem.message) + len(problem.param or "") < 300
