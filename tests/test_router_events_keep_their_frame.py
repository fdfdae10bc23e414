"""Whatever an engine's JSON looks like, it stays inside one server-sent event."""

import json

from slipway_router.domain import sse


def test_data_of_several_lines_is_one_event() -> None:
    content = {"error": {"message": "too long", "code": None}}
    event = sse.event(json.dumps(content, indent=2).encode()).decode()
    assert event.endswith("\n\n")
    assert "\n\n" not in event[:-2]
    lines = event.splitlines()[:-1]
    assert all(line.startswith("data: ") for line in lines)
    assert json.loads("\n".join(line.removeprefix("data: ") for line in lines)) == content
