"""The routers that are compared, each forwarding one model to two engines, on one core."""

import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.router.processes import free_port
from benchmarks.router.traffic import ANSWER, KEY
from tests.compiled_router import compiled_router

HERE: Final = Path(__file__).parent
IMAGE_PYTHON: Final = Path("/usr/bin/python3")
VLLM_ROUTER: Final = "vllm-router==0.1.17"
"""The fastest LLM router in Rust that was found, as packaged for Python."""

Command = Callable[[Path, int, Sequence[int]], list[str]]
"""From a folder for files, the port to listen on and the engines' ports to a command line."""


def slipway(folder: Path, port: int, engines: Sequence[int]) -> list[str]:
    """Compiled, and run by Debian's Python if it is here, as in its image."""
    modules = f"PYTHONPATH={compiled_router()}:{sysconfig.get_path('purelib')}"
    program = [_image_python(), "-m", "benchmarks.router.slipway"]
    return ["env", modules, *program, str(port), *map(str, engines)]


def nginx(folder: Path, port: int, engines: Sequence[int]) -> list[str]:
    servers = " ".join(f"server 127.0.0.1:{engine};" for engine in engines)
    return _nginx(folder, "router", port, KEY=KEY, SERVERS=servers)


def vllm_router(folder: Path, port: int, engines: Sequence[int]) -> list[str]:
    urls = [f"http://127.0.0.1:{engine}" for engine in engines]
    options = {"--policy": "power_of_two", "--log-level": "error", "--prometheus-port": str(free_port())}
    flat = [word for option in options.items() for word in option]
    program = str(_environment(folder.parent) / "bin" / "vllm-router")
    return [program, "--host=127.0.0.1", f"--port={port}", *flat, "--prometheus-host=127.0.0.1", "--worker-urls", *urls]


def fixed_engine(folder: Path, port: int) -> list[str]:
    """An engine that answers every request with the same JSON."""
    return _nginx(folder, "engine", port, ANSWER=ANSWER)


CONTENDERS: Final[dict[str, Command]] = {"slipway": slipway, "nginx": nginx, "vllm-router": vllm_router}


def _image_python() -> str:
    """Debian's, if it loads what is installed for the one that runs this: one built without profiles is slower."""
    if not IMAGE_PYTHON.exists():
        return sys.executable
    asked = [str(IMAGE_PYTHON), "-c", "import sys; print(*sys.version_info[:2])"]
    version = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    return str(IMAGE_PYTHON) if version == list(map(str, sys.version_info[:2])) else sys.executable


def _nginx(folder: Path, name: str, port: int, **values: str) -> list[str]:
    text = (HERE / f"{name}.nginx.conf").read_text()
    for key, value in {"FOLDER": str(folder), "PORT": str(port), **values}.items():
        text = text.replace(f"@{key}@", value)
    config = folder / f"{name}-{port}.conf"
    config.write_text(text)
    return ["nginx", "-e", "stderr", "-c", str(config)]


def _environment(cache: Path) -> Path:
    """A virtual environment with the Rust router, made once."""
    target = cache / VLLM_ROUTER.replace("==", "-")
    if not (target / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", str(target)], check=True)
        subprocess.run([str(target / "bin" / "pip"), "install", "--quiet", VLLM_ROUTER], check=True)
        (target / "done").touch()
    return target
