"""The environment of other people's client libraries (Anthropic's, LangChain, LiteLLM …).

``python -m tests.clients_environment`` makes it unless it is there, and prints its interpreter.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

from tests.locked_environments import LockedEnvironment

PROGRAMS: Final = Path(__file__).parent / "client_programs"
_SECONDS: Final = 120


def python() -> Path:
    """The interpreter of the environment, which is made if it is missing."""
    return LockedEnvironment("clients").python()


def told_by(program: str, base_url: str, key: str) -> dict[str, Any]:
    """What a program of ``client_programs`` prints as JSON; ``base_url`` is the router's, without ``/v1``."""
    environment = {**os.environ, "BASE_URL": base_url, "API_KEY": key, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    command = [str(python()), str(PROGRAMS / f"{program}.py")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS)
    assert ended.returncode == 0, ended.stderr[-4000:]
    told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return told


if __name__ == "__main__":
    print(python())
