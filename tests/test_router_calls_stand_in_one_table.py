"""Whatever the data port answers is declared in one table, and everything else follows from it."""

from pathlib import Path

import pytest

from slipway_router.api_reference import main
from slipway_router.domain.api.openapi import document
from slipway_router.domain.api.routes import BY_PATH, below_model
from slipway_router.domain.api.table import TABLE, by_path
from tests.routers import model, running_router

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "api.md"


def test_every_inference_path_is_declared() -> None:
    declared = {path for entry in TABLE if entry.route is not None for path in entry.paths}
    assert {path.decode() for path in BY_PATH} <= declared
    below = {path for path in declared if path.startswith("/tei/")}
    assert all(below_model(path.replace("{name}", "m").encode()) is not None for path in below)
    assert declared == below | {path.decode() for path in BY_PATH}


def test_a_path_and_a_method_mean_one_call() -> None:
    for path, entries in by_path(TABLE).items():
        methods = [entry.method for entry in entries]
        assert len(methods) == len(set(methods)), path


def test_calls_have_names_of_their_own() -> None:
    operations = [call["operationId"] for path in document(TABLE, "1")["paths"].values() for call in path.values()]
    assert len(operations) == len(set(operations)) > len(TABLE)


def test_the_reference_is_that_of_the_table(tmp_path: Path) -> None:
    assert main([str(PAGE), "--check"]) == 0
    page = PAGE.read_text()
    assert all(f"### {entry.method} {entry.path}\n" in page for entry in TABLE)
    other = tmp_path / "api.md"
    other.write_text(page + "more")
    assert main([str(other), "--check"]) == 1


@pytest.mark.local
async def test_a_wrong_method_is_told_the_right_ones() -> None:
    async with running_router([model("chat-a", 1)]) as router:
        for path, entries in by_path(TABLE).items():
            answer = await router.request("PUT", path.replace("{name}", "chat-a"))
            assert answer.status_code == 405, path
            assert {entry.method for entry in entries} <= set(answer.headers["allow"].split(", ")), path
            assert "Allowed: " in answer.text


@pytest.mark.local
async def test_a_path_that_is_not_declared_is_not_found() -> None:
    async with running_router([model("chat-a", 1)]) as router:
        for path in ("/", "/v1", "/metrics", "/v1/load_lora_adapter", "/docs/assets/..%2f..%2fcore.py"):
            assert (await router.request("GET", path)).status_code == 404, path
