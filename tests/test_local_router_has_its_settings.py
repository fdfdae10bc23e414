"""`slipway up` runs the router with the router's own settings, from a file or from variables."""

from pathlib import Path

import httpx2
import pytest

from tests.local_mode import api_key, document, run_slipway, slipway_up

pytestmark = pytest.mark.local

ORIGIN = "https://chat.example.com"


def test_settings_come_from_a_file_and_a_variable_wins(tmp_path: Path) -> None:
    (tmp_path / "router.toml").write_text('[cors]\norigins = ["https://other.example.com"]\nmax_age = 77\n')
    arguments = ("--config", "router.toml")
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
    with slipway_up(tmp_path, document("words") + api_key("demo"), *arguments, SLIPWAY_CORS_ORIGINS=ORIGIN) as up:
        answer = httpx2.options(f"{up.base_url}/models", headers=asked)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-max-age"] == "77"


def test_used_tokens_outlive_a_restart(tmp_path: Path) -> None:
    told = []
    for _ in range(2):
        # One place for both: by themselves, routers on different ports keep apart.
        folder = str(tmp_path / "usage")
        with slipway_up(tmp_path, document("words") + api_key("demo"), SLIPWAY_LEDGER_FOLDER=folder) as up:
            answer = up.client().completions.create(model="words", prompt="a b c", max_tokens=7)
            assert answer.usage is not None
            told.append(answer.usage.total_tokens)
            key = {"Authorization": f"Bearer {up.keys['demo']}"}
            usage = httpx2.get(f"{up.base_url}/usage", headers=key).json()["totals"]
            assert usage["prompt_tokens"] + usage["completion_tokens"] == sum(told)
            shown = up.slipway("keys", "usage", "--url", up.base_url, "--key", up.keys["demo"])
            assert shown.stdout.split()[-3:] == [
                str(usage[name]) for name in ("requests", "prompt_tokens", "completion_tokens")
            ]


@pytest.mark.parametrize(
    ("text", "words"), [("[cors]\norigin = []", "did you mean origins?"), ("[sessions", "router.toml is not TOML")]
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "models.yaml").write_text(document("words"))
    (tmp_path / "router.toml").write_text(text)
    ended = run_slipway(tmp_path, "up", "models.yaml", "--port", "0", "--config", "router.toml")
    assert (ended.returncode, words in ended.stderr) == (2, True), ended.stderr
