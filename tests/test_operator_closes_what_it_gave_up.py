"""A request to the API server that is given up leaves no connection behind when the operator closes its own."""

import asyncio
import os
import select
import socket
import ssl
import threading
from pathlib import Path
from typing import Final

import pytest
from kubernetes.aio import client

from slipway_operator.adapters.kube_api import KubeApi
from tests.cluster import pki

SECONDS: Final = 20.0
LEAF: Final = pki.Leaf("silent", "silent")


class SilentServer:
    """Takes one request over TLS, and answers neither that nor a farewell."""

    def __init__(self, folder: Path) -> None:
        pki.ensure(folder, (LEAF,))
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(folder / f"{LEAF.file}.crt", folder / f"{LEAF.file}.key")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.asked, self.may_look, self.ended = threading.Event(), threading.Event(), False

    def serve(self) -> None:
        with self._listener, self._context.wrap_socket(self._listener.accept()[0], server_side=True) as connection:
            connection.recv(65536)
            self.asked.set()
            self.may_look.wait(SECONDS)
            # Below TLS, whose end is not the connection's.
            while select.select([connection.fileno()], [], [], SECONDS)[0]:
                if not os.read(connection.fileno(), 65536):
                    self.ended = True
                    return


@pytest.mark.parametrize("given_up", [True, False], ids=["given up", "still at work"])
def test_the_connection_ends(tmp_path: Path, given_up: bool) -> None:
    server = SilentServer(tmp_path)
    configuration = client.Configuration()
    configuration.host, configuration.verify_ssl = f"https://127.0.0.1:{server.port}", False

    async def main() -> None:
        api = KubeApi(client.ApiClient(configuration))
        asking = asyncio.create_task(api.request("GET", "/api"))
        await asyncio.to_thread(server.asked.wait, SECONDS)
        if given_up:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        await api.close()
        server.may_look.set()
        await asyncio.to_thread(thread.join)
        await asyncio.gather(asking, return_exceptions=True)

    thread = threading.Thread(target=server.serve)
    thread.start()
    asyncio.run(main())
    assert server.asked.is_set()
    assert server.ended
