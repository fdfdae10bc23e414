"""The OpenAPI document tells the truth: thousands of generated requests, right and wrong ones, against a real router
with dummy engines. None may fail in the router (5xx), and no answer may be other than the document says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.local_mode import document, slipway_up

pytestmark = pytest.mark.local

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CONFIG = Path(__file__).parent / "data" / "schemathesis.toml"
KEY = (
    "---\napiVersion: slipway.dev/v1alpha1\nkind: APIKey\n"
    "metadata: {name: boss}\nspec: {owner: tests, models: ['*'], admin: true}\n"
)
LONG_PROMPTS = "limits: {maxPromptTokens: 1000000}"


def test_no_answer_is_outside_the_document(tmp_path: Path) -> None:
    models = document("chat", rest=LONG_PROMPTS) + document("embed", rest=LONG_PROMPTS)
    with slipway_up(tmp_path, models + KEY, "--eager") as up:
        key = up.keys["boss"]
        client = up.client(key)
        eventually(
            "the models are ready",
            lambda: {getattr(model, "state", "") for model in client.models.list()},
            {"ready"}.__eq__,
            within=60,
        )
        url = f"{up.base_url.removesuffix('/v1')}/openapi.json"
        header = f"Authorization: Bearer {key}"
        command: list[str | Path] = [SCHEMATHESIS, "--config-file", CONFIG, "run", url, "-H", header]
        environment = {**os.environ, "COLUMNS": "160"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
        assert up.process.poll() is None
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    assert "Coverage" in done.stdout
