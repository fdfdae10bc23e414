"""An operator that starts before the CRDs are there waits for all of them."""

from typing import Any

from slipway_operator.adapters.discovery import custom_resources_served
from slipway_operator.domain.errors import ClusterError, NotFoundError
from tests.fakes.virtual_time import run_virtual

ANSWERS: list[ClusterError | list[str]] = [
    ClusterError(0, "connection refused"),
    NotFoundError(404, "the server could not find the requested resource"),
    ["modeldeployments", "modeldeployments/status"],
    ["modeldeployments", "apikeys", "modelroutes", "apikeys/status"],
]


class Requests:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def request(self, method: str, path: str) -> dict[str, Any]:
        answer = ANSWERS[len(self.asked)]
        self.asked.append(f"{method} {path}")
        if isinstance(answer, ClusterError):
            raise answer
        return {"resources": [{"name": name} for name in answer]}


def test_it_asks_until_every_kind_is_served() -> None:
    api = Requests()
    run_virtual(custom_resources_served(api))
    assert api.asked == ["GET /apis/slipway.dev/v1alpha1"] * len(ANSWERS)
