"""What an engine cannot read it refuses with a 4xx and words, and goes on serving."""

import httpx2
import pytest

from slipway_runtime.adapters.openai_http import MAX_BODY_BYTES
from tests.engine_cases import Started


def assert_still_serves(engine: Started) -> None:
    assert engine.ask(engine.case.good).status_code == 200


def assert_refused(answer: httpx2.Response) -> None:
    assert 400 <= answer.status_code < 500, answer.text
    error = answer.json()["error"]
    assert error["message"]
    assert error["type"]


def test_of_what_is_malformed(engine: Started) -> None:
    for body in engine.case.malformed:
        answer = engine.post(body)
        if engine.case.ours:
            assert answer.status_code == 400, (body, answer.text)
            assert_refused(answer)
        else:
            assert 400 <= answer.status_code < 500 or b"error" in answer.content, (body, answer.text)
    assert_still_serves(engine)


def test_of_what_is_too_large(engine: Started) -> None:
    answer = engine.post(b'{"model": "m", "x": "' + b"x" * MAX_BODY_BYTES + b'"}')
    if engine.case.ours:
        assert answer.status_code == 413
        assert_refused(answer)
    else:
        assert answer.status_code >= 400
    assert_still_serves(engine)


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/nothing", 404), ("PUT", None, 405)])
def test_of_unknown_paths_and_methods(engine: Started, method: str, path: str | None, status: int) -> None:
    answer = httpx2.request(method, engine.url(path or engine.case.path), timeout=20)
    if engine.case.ours:
        assert answer.status_code == status
        assert_refused(answer)
    else:
        assert answer.status_code in (404, 405)


def test_of_a_model_it_does_not_have(engine: Started) -> None:
    if not engine.case.ours:
        # llama.cpp answers for its only model whatever it is called; the router has seen to the name.
        assert_still_serves(engine)
        return
    answer = httpx2.post(engine.url(engine.case.path), json={**engine.case.good, "model": "other"}, timeout=20)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"
