"""Real ``slipway`` commands on loopback, with folders of their own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import openai

from tests.eventually import eventually

SLIPWAY = Path(sys.executable).with_name("slipway")
START_SECONDS = 30.0
END_SECONDS = 10.0
_ADDRESS = re.compile(r"^OpenAI API on (\S+)$", re.MULTILINE)
_READ_AGAIN = "read again: "
_KEY = re.compile(r"^API key (\S+): (\S+)$", re.MULTILINE)


def document(
    name: str, engine: str = "dummy", source: str = "demo://dummy", *, args: str = "[]", rest: str = ""
) -> str:
    """A ModelDeployment; ``rest`` is more of its spec, as a YAML flow mapping's inside."""
    more = f", {rest}" if rest else ""
    return (
        "---\napiVersion: slipway.dev/v1alpha1\nkind: ModelDeployment\n"
        f"metadata: {{name: {name}}}\n"
        f'spec: {{model: {{source: "{source}"}}, engine: {{type: {engine}, args: {args}}}{more}}}\n'
    )


def api_key(name: str, models: str = '["*"]') -> str:
    """An APIKey."""
    return (
        "---\napiVersion: slipway.dev/v1alpha1\nkind: APIKey\n"
        f"metadata: {{name: {name}}}\nspec: {{owner: tests, models: {models}}}\n"
    )


def environment(folder: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """The tester's variables without those that configure Slipway, keys and logs in ``folder``."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("SLIPWAY_", "OTEL_"))}
    return {**own, "SLIPWAY_STATE_DIR": str(folder / "state"), "COLUMNS": "200", **extra}


def run_slipway(folder: Path, *arguments: str, said: str = "", **extra: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself; ``said`` is its standard input."""
    return subprocess.run(
        [SLIPWAY, *arguments],
        cwd=folder,
        env=environment(folder, extra),
        capture_output=True,
        text=True,
        timeout=30,
        input=said,
    )


class SlipwayUp:
    """A running ``slipway up`` on a free port."""

    def __init__(self, folder: Path, arguments: tuple[str, ...], extra: Mapping[str, str]) -> None:
        self.folder = folder
        self._clients: dict[str, openai.OpenAI] = {}
        self._output = folder / "output.txt"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [SLIPWAY, "up", "models.yaml", "--port", "0", *arguments],
                cwd=folder,
                env=environment(folder, extra),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def text(self) -> str:
        """What the terminal shows."""
        return self._output.read_text()

    @property
    def base_url(self) -> str:
        """OpenAI's base URL."""
        return str(_ADDRESS.findall(self.text)[0])

    @property
    def keys(self) -> dict[str, str]:
        """Keys it has printed, by name."""
        return dict(_KEY.findall(self.text))

    def say(self, text: str) -> None:
        """Write the YAML file anew, as editors do: another file takes its place."""
        fresh = self.folder / ".models.yaml.new"
        fresh.write_text(text)
        fresh.replace(self.folder / "models.yaml")

    def settle(self, text: str) -> None:
        """Write the YAML file anew and wait until it has been read."""
        before = self.text.count(_READ_AGAIN)
        self.say(text)
        eventually("the file is read", lambda: self.text.count(_READ_AGAIN), lambda n: n > before, within=START_SECONDS)

    def shows(self, text: str, *, within: float = START_SECONDS) -> str:
        """Wait until the terminal shows ``text``; returns all that it shows."""

        def look() -> str:
            ended = self.process.poll()
            return self.text if ended is None else f"{self.text}\n(ended with {ended})"

        return eventually(f"the terminal shows {text!r}", look, lambda shown: text in shown, within=within)

    def client(self, key: str | None = None) -> openai.OpenAI:
        """A client, with the first key unless another is given."""
        secret = key or next(iter(self.keys.values()))
        if secret not in self._clients:
            self._clients[secret] = openai.OpenAI(base_url=self.base_url, api_key=secret, max_retries=0, timeout=30)
        return self._clients[secret]

    def close(self) -> None:
        """Close every client."""
        for client in self._clients.values():
            client.close()

    def slipway(self, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
        """Another command beside it, in the same folders."""
        return run_slipway(self.folder, *arguments, said=said)

    def runtimes(self) -> list[int]:
        """Process ids of the runtimes it has started."""
        return children_of(self.process.pid)

    def ends(self, within: float = END_SECONDS) -> int:
        """The exit code; fails when it does not end."""
        return eventually("the end", self.process.poll, lambda code: code is not None, within=within) or 0


@contextmanager
def slipway_up(folder: Path, text: str, *arguments: str, **extra: str) -> Iterator[SlipwayUp]:
    """``slipway up`` with ``text`` as its file, ready for requests; killed at the end if it still runs."""
    (folder / "models.yaml").write_text(text)
    up = SlipwayUp(folder, arguments, extra)
    try:
        up.shows("Ctrl-C ends it.")
        yield up
    finally:
        up.close()
        if up.process.poll() is None:
            up.process.send_signal(signal.SIGINT)
            try:
                up.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                up.process.kill()
                up.process.wait()


def children_of(pid: int) -> list[int]:
    """Direct children, as the kernel lists them."""
    listed = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in listed for child in path.read_text().split()]


def with_descendants(pids: list[int]) -> list[int]:
    """``pids`` and all below them."""
    return [each for pid in pids for each in (pid, *with_descendants(children_of(pid)))]


def alive(pids: list[int]) -> list[int]:
    """Those that run; one that has ended and waits to be reaped does not."""
    return [pid for pid in pids if _state(pid) not in ("", "Z", "X")]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def gone(pids: list[int], within: float = END_SECONDS) -> None:
    """Wait until none of ``pids`` runs."""
    eventually("the end of every process", lambda: alive(pids), lambda left: not left, within=within)
