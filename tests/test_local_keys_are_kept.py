"""Keys of local mode: made once, kept, or set by the user; nothing else opens the router."""

import stat
from pathlib import Path

import openai
import pytest

from tests.local_mode import api_key, document, run_slipway, slipway_up

pytestmark = pytest.mark.local

MODELS = document("words") + document("secret")


def test_a_key_outlives_a_restart(tmp_path: Path) -> None:
    seen = []
    for _ in range(2):
        with slipway_up(tmp_path, MODELS + api_key("demo")) as up:
            seen.append(up.keys)
    assert seen[0] == seen[1]
    assert seen[0]["demo"].startswith("sk-slipway-")
    assert run_slipway(tmp_path, "keys", "show", "demo").stdout.strip() == seen[0]["demo"]
    file = tmp_path / "state" / "keys" / "demo"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_files_without_a_key_get_one_that_opens_every_model(tmp_path: Path) -> None:
    with slipway_up(tmp_path, MODELS) as up:
        assert list(up.keys) == ["local"]
        assert {model.id for model in up.client().models.list()} == {"words", "secret"}


def test_only_the_key_opens_the_router(tmp_path: Path) -> None:
    with slipway_up(tmp_path, MODELS + api_key("demo", '["w*"]')) as up:
        with pytest.raises(openai.AuthenticationError):
            up.client("sk-slipway-wrong").models.list()
        assert [model.id for model in up.client().models.list()] == ["words"]
        with pytest.raises(openai.PermissionDeniedError):
            up.client().embeddings.create(model="secret", input="x")
        assert up.runtimes() == []


def test_the_variable_sets_the_first_key_and_no_engine_sees_it(tmp_path: Path) -> None:
    text = MODELS + api_key("first") + api_key("second")
    with slipway_up(tmp_path, text, "--eager", SLIPWAY_API_KEY="my-own-key") as up:
        assert up.keys["first"] == "my-own-key"
        assert up.keys["second"].startswith("sk-slipway-")
        up.shows("words  ready in ")
        for pid in up.runtimes():
            assert b"my-own-key" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert run_slipway(tmp_path, "keys", "list", "-o", "name").stdout.split() == ["second"]


def test_a_key_that_no_header_can_carry_is_refused(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(MODELS)
    done = run_slipway(tmp_path, "up", "models.yaml", "--port", "0", SLIPWAY_API_KEY="two words")
    assert (done.returncode, "$SLIPWAY_API_KEY is no key" in done.stderr) == (2, True)
