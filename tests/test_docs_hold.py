"""The documentation's examples: commands run, resources are valid, configuration is read."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway_crds.documents import load_documents
from slipway_router.app.settings import Settings
from tests.local_mode import SlipwayUp, document, slipway_up
from tests.prometheus import check_configuration

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted((ROOT / "docs").glob("*.md"))
ADMIN = """---
apiVersion: slipway.dev/v1alpha1
kind: APIKey
metadata: {name: admin}
spec: {owner: tests, admin: true}
"""
MODEL = """apiVersion: slipway.dev/v1alpha1
kind: ModelDeployment
metadata: {name: example}
"""
STRICT = """set -euo pipefail
curl() { command curl --fail --silent --show-error --max-time 60 "$@"; echo; }
"""


def examples(language: str) -> list[object]:
    return [
        pytest.param(text, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, (name, text) in enumerate(BLOCK.findall(page.read_text()))
        if name == language
    ]


@pytest.mark.parametrize("text", examples("yaml"))
def test_resources_are_valid(text: str) -> None:
    whole = text if text.startswith("apiVersion:") else MODEL + text
    assert load_documents(whole, "the page")


@pytest.mark.parametrize("text", examples("toml"))
def test_configuration_is_read(text: str, tmp_path: Path) -> None:
    file = tmp_path / "router.toml"
    file.write_text(text)
    assert Settings.load({}, file) != Settings()


@pytest.mark.local
@pytest.mark.parametrize("text", examples("yml"))
def test_prometheus_takes_its_configuration(text: str, tmp_path: Path) -> None:
    # Debian builds its Prometheus without Kubernetes.
    check_configuration(tmp_path, text.replace("kubernetes_sd_configs: [{role: pod}]", "static_configs: []"))


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlipwayUp]:
    with slipway_up(tmp_path_factory.mktemp("docs"), document("chat", "llamacpp", "demo://chat") + ADMIN) as up:
        yield up


@pytest.mark.local
def test_the_tour_of_the_api_runs(router: SlipwayUp) -> None:
    setup, *commands = [text for name, text in BLOCK.findall((ROOT / "docs" / "api.md").read_text()) if name == "sh"]
    assert "ROUTER=http://127.0.0.1:8080 KEY=sk-slipway-..." in setup
    place = f"export ROUTER={router.base_url.removesuffix('/v1')} KEY={router.keys['admin']}\n"
    script = STRICT + place + "\n".join(commands)
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, f"{ended.stdout[-2000:]}\n{ended.stderr[-2000:]}"
    assert "data: [DONE]" in ended.stdout
