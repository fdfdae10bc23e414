"""A model hub on loopback: lists repositories and serves their files, through redirects as the real one does.

Protocol as its public client speaks it: ``/api/models/REPO/revision/REV`` names the commit and the files;
``HEAD`` and ``GET /REPO/resolve/REV/FILE`` give commit and ETag, and send to another address for the content.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

from tests.fakes.loopback_http import QuietHandler, serving

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class HubServer:
    """One repository, ``org/model``, with the revisions ``main`` and ``v1``."""

    files: dict[str, bytes]
    token: str | None = None
    """If set, who does not send it gets the answers of a private repository."""
    gated: bool = False
    down: bool = False
    content_requests: list[str] = field(default_factory=list)
    """Files whose content was asked for."""
    url: str = ""


_LIST = re.compile(r"/api/models/([^/]+/[^/]+)/revision/([^/?]+)")
_RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
_ERROR_HEADER = "X-Error-Code"


class HubHandler(QuietHandler):
    """Answers as its ``hub`` says."""

    hub: ClassVar[HubServer]

    def do_HEAD(self) -> None:  # noqa: N802 - named by the base class
        self.do_GET()

    def do_GET(self) -> None:  # noqa: N802 - named by the base class
        if self.hub.down:
            return self.answer(503)
        if self.path.startswith("/content/"):
            return self.send_content(self.path.removeprefix("/content/"))
        match = _LIST.match(self.path) or _RESOLVE.match(self.path)
        if match is None or match[1] != "org/model":
            return self.answer(404, headers={_ERROR_HEADER: "RepoNotFound"})
        if self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self.answer(401, headers={_ERROR_HEADER: "RepoNotFound"})
        if self.hub.gated:
            return self.answer(403, headers={_ERROR_HEADER: "GatedRepo"})
        if match[2] not in ("main", "v1", COMMIT):
            return self.answer(404, headers={_ERROR_HEADER: "RevisionNotFound"})
        return self.send_list() if match.re is _LIST else self.send_to_content(match[3])

    def send_list(self) -> None:
        siblings = [{"rfilename": name, "size": len(content)} for name, content in self.hub.files.items()]
        body = {"_id": "1", "id": "org/model", "modelId": "org/model", "sha": COMMIT, "siblings": siblings}
        self.answer(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def send_to_content(self, name: str) -> None:
        content = self.hub.files.get(name)
        if content is None:
            return self.answer(404, headers={_ERROR_HEADER: "EntryNotFound"})
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        headers = {
            "X-Repo-Commit": COMMIT,
            "X-Linked-Etag": etag,
            "X-Linked-Size": str(len(content)),
            "ETag": etag,
            # Another name than the hub's, as of a content network: the client follows redirects to the hub itself.
            "Location": f"{self.hub.url.replace('127.0.0.1', 'localhost')}/content/{name}",
        }
        return self.answer(302, headers=headers)

    def send_content(self, name: str) -> None:
        if self.command == "GET":
            self.hub.content_requests.append(name)
        self.answer(200, self.hub.files[name])


@contextmanager
def hub_server(hub: HubServer) -> Iterator[HubServer]:
    """Run ``hub`` on loopback."""
    handler = type("Handler", (HubHandler,), {"hub": hub})
    with serving(handler) as base:
        hub.url = base
        yield hub
