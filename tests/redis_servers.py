"""Real Valkey or Redis servers on loopback, each with nothing kept on disk."""

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests.cluster.debian import Package, ensure
from tests.cluster.progress import Progress
from tests.eventually import eventually
from tests.runtimes import free_port

_PACKAGES: Final = (Package("redis-server", "redis-server"),)
_END_SECONDS: Final = 10


def server_program() -> str:
    """A Valkey server if there is one, else Redis's, installed if need be."""
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        ensure(_PACKAGES, Progress())
        found = shutil.which("redis-server")
    assert found is not None
    return found


@dataclass
class RedisServer:
    """A server that can be killed and started again on its port; it forgets everything then."""

    folder: Path
    port: int = field(default_factory=free_port)
    certificate: tuple[Path, Path] | None = None
    """And its key, for a port with TLS."""
    tls_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = [server_program(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        if self.certificate is not None:
            certificate, key = map(str, self.certificate)
            command += ["--tls-port", str(self.tls_port), "--tls-auth-clients", "no"]
            command += ["--tls-cert-file", certificate, "--tls-key-file", key]
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        eventually("the store answers", lambda: self.command("PING"), b"+PONG\r\n".__eq__, within=10, every=0.02)

    def kill(self) -> None:
        """End the server as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_END_SECONDS)
            self._process = None

    def pause(self) -> None:
        """Let the server hang: it keeps its connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, *words: str) -> bytes:
        """The first bytes of the answer to one command, as they come."""
        with closing(socket.create_connection(("127.0.0.1", self.port), timeout=5)) as connection:
            parts = [f"${len(word)}\r\n{word}\r\n" for word in words]
            connection.sendall(f"*{len(words)}\r\n{''.join(parts)}".encode())
            return connection.recv(65536)


@contextmanager
def running_redis(folder: Path, certificate: tuple[Path, Path] | None = None) -> Iterator[RedisServer]:
    """A server for the length of a ``with`` block."""
    server = RedisServer(folder, certificate=certificate)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own."""
    with running_redis(tmp_path) as server:
        yield server
