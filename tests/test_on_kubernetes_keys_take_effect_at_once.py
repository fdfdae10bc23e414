"""On a real node: keys that `kubectl` makes, rotates and revokes count within two seconds, without any restart."""

import base64
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime

import openai
import pytest

from slipway_crds.keys import hash_key
from tests.cluster.errors import CommandError
from tests.eventually import eventually
from tests.installation import SYSTEM_NAMESPACE, Installation, api_key, model

pytestmark = pytest.mark.cluster

WITHIN_SECONDS = 2.0
ENDLESS = 4096
DUMMY = {"type": "dummy", "args": ["--tokens-per-second=20"]}


@pytest.fixture(scope="module")
def served(module_installation: Installation) -> Installation:
    module_installation.apply(model("steady", engine=DUMMY, limits={"maxTokens": ENDLESS}))
    module_installation.apply(api_key())
    module_installation.wait_ready("mdep/steady")
    module_installation.wait_routable(module_installation.client(module_installation.key()), "steady")
    return module_installation


def opens(served: Installation, key: str) -> bool:
    """Whether the router accepts the key."""
    with served.client(key) as client:
        try:
            return "steady" in [listed.id for listed in client.models.list()]
        except openai.AuthenticationError:
            return False


def becomes(served: Installation, key: str, wanted: bool) -> None:
    eventually(
        f"the key is accepted: {wanted}", lambda: opens(served, key), lambda s: s is wanted, within=WITHIN_SECONDS
    )


def secret_of(served: Installation, name: str, other_than: str = "") -> str:
    """The key in the Secret of the APIKey, once it is there and another one than ``other_than``."""

    def look() -> str:
        return base64.b64decode(served.get("secret", f"{name}-apikey")["data"]["key"]).decode()

    return eventually("the Secret", look, lambda key: key != other_than, within=WITHIN_SECONDS, every=0.02)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Stream:
    """An answer that comes for minutes, and how it ended."""

    client: openai.OpenAI
    tokens: int = 0
    end: list[str] = field(default_factory=list)

    def run(self) -> None:
        try:
            chunks = self.client.chat.completions.create(
                model="steady", messages=[{"role": "user", "content": "go on"}], max_tokens=ENDLESS, stream=True
            )
            for chunk in chunks:
                self.tokens += len(chunk.choices)
        except (openai.APIError, OSError) as error:
            self.end.append(repr(error))
        else:
            self.end.append("complete")


def test_a_key_is_made_rotated_and_revoked(served: Installation) -> None:
    served.apply(api_key("guest"))
    first = secret_of(served, "guest")
    becomes(served, first, wanted=True)

    created = served.get("sakey", "guest")["status"]["keyHashes"][0]["createdAt"]
    # Keys know their age in whole seconds: one that is asked for in the second of its making is not older.
    now = eventually("the next second", _now, lambda moment: moment > created, within=3)
    patch = f'{{"spec":{{"rotation":{{"at":"{now}","overlap":"3s"}}}}}}'
    served.kubectl("patch", "sakey/guest", "-n", served.namespace, "--type=merge", "-p", patch)
    second = secret_of(served, "guest", other_than=first)
    becomes(served, second, wanted=True)
    eventually("the old key expires", lambda: opens(served, first), lambda seen: not seen, within=6)

    served.kubectl("delete", "sakey/guest", "-n", served.namespace, "--wait=false")
    becomes(served, second, wanted=False)


def test_the_running_stream_of_a_revoked_key_ends(served: Installation) -> None:
    served.apply(api_key("streamer"))
    key = secret_of(served, "streamer")
    becomes(served, key, wanted=True)
    with served.client(key) as client:
        stream = Stream(client)
        thread = threading.Thread(target=stream.run)
        thread.start()
        eventually("tokens come", lambda: (stream.tokens, stream.end), lambda seen: seen[0] > 5, within=10)
        suspend = '{"spec":{"suspend":true}}'
        served.kubectl("patch", "sakey/streamer", "-n", served.namespace, "--type=merge", "-p", suspend)
        end = eventually("the stream's end", lambda: stream.end, bool, within=WITHIN_SECONDS)
        thread.join(timeout=5)
    assert end[0] != "complete"
    assert stream.tokens < ENDLESS


def test_the_routers_account_reads_no_secret(served: Installation) -> None:
    account = f"system:serviceaccount:{SYSTEM_NAMESPACE}:slipway-router"
    for namespace in (served.namespace, SYSTEM_NAMESPACE):
        for verb in ("get", "list", "watch"):
            with pytest.raises(CommandError) as refusal:
                served.kubectl("auth", "can-i", verb, "secrets", "-n", namespace, "--as", account)
            assert "no" in str(refusal.value)
    with pytest.raises(CommandError, match="forbidden"):
        served.kubectl("get", "secret", "demo-apikey", "-n", served.namespace, "--as", account)


def test_hashes_are_all_that_the_api_server_tells(served: Installation) -> None:
    seen = served.kubectl("get", "sakey", "demo", "-n", served.namespace, "-o", "yaml")
    assert hash_key(served.key()) in seen
    assert served.key() not in seen
