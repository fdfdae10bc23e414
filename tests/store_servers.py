"""Real Valkey or Redis servers on loopback, each with nothing kept on disk."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests.eventually import eventually
from tests.runtimes import free_port
from tests.store_programs import StoreProgram, store_program

_END_SECONDS: Final = 10


@dataclass
class StoreServer:
    """A server that can be killed and started again on its port; it forgets everything then."""

    folder: Path
    program: StoreProgram = StoreProgram.VALKEY
    port: int = field(default_factory=free_port)
    certificate: tuple[Path, Path] | None = None
    """And its key, for a port with TLS."""
    tls_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = [
            store_program(self.program),
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(self.folder),
        ]
        command += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        if self.certificate is not None:
            certificate, key = map(str, self.certificate)
            command += ["--tls-port", str(self.tls_port), "--tls-auth-clients", "no"]
            command += ["--tls-cert-file", certificate, "--tls-key-file", key]
        with (self.folder / "store.log").open("ab") as log:
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
def running_store(
    folder: Path, certificate: tuple[Path, Path] | None = None, program: StoreProgram = StoreProgram.VALKEY
) -> Iterator[StoreServer]:
    """A server for the length of a ``with`` block."""
    server = StoreServer(folder, program, certificate=certificate)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def store_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreServer]:
    """A server of the test's own: Valkey, or what the test is parametrized with."""
    with running_store(tmp_path, program=getattr(request, "param", StoreProgram.VALKEY)) as server:
        yield server
