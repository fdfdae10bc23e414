"""A provider's model on a real node: its key gets from a Secret into router pods, and callers get the answers."""

import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from tests.eventually import eventually
from tests.installation import ROUTER_SERVICE, SYSTEM_NAMESPACE, Installation, api_key, model

pytestmark = pytest.mark.cluster

# The provider is the router itself, where "far" is called "near"; its key is the one that the operator has made.
URL = f"http://{ROUTER_SERVICE}.{SYSTEM_NAMESPACE}/v1"
ENGINE = {"type": "external", "upstreamModel": "near", "authSecret": {"name": "demo-apikey", "key": "key"}}
QUESTION = ChatCompletionUserMessageParam(role="user", content="hello")
KEY_ARRIVES_SECONDS = 15
"""Left to itself, the kubelet looks at mounted Secrets about once a minute."""


@pytest.fixture(scope="module")
def served(module_installation: Installation) -> Installation:
    module_installation.apply(api_key())
    module_installation.apply(model("near"))
    module_installation.apply(model("far", engine=ENGINE, model={"source": URL}))
    module_installation.wait_ready("mdep/near", "mdep/far")
    return module_installation


def test_it_is_ready_without_pods(served: Installation) -> None:
    status = served.get("mdep", "far")["status"]
    assert status["url"] == URL
    assert "ready" not in status
    assert served.children("far") == {}
    shown = served.kubectl("get", "mdep", "far", "-n", served.namespace).splitlines()[1]
    assert shown.split()[:4] == ["far", URL, "external", "Ready"]


def test_it_answers_by_the_providers_key(served: Installation) -> None:
    client = served.client(served.key())

    def ask() -> str:
        try:
            answer = client.chat.completions.create(model="far", messages=[QUESTION], max_tokens=4)
        except openai.APIStatusError as error:
            return f"HTTP {error.status_code}"
        assert answer.choices[0].message.content
        return "answered"

    eventually("an answer", ask, lambda seen: seen == "answered", within=KEY_ARRIVES_SECONDS, every=1.0)


def test_the_copy_of_its_key_goes_with_it(served: Installation) -> None:
    def copies() -> set[str]:
        found = served.kubectl.get("secret", "slipway-provider-keys", "-n", SYSTEM_NAMESPACE)
        return set(found.get("data", {}))

    entry = f"{served.namespace}.far"
    assert entry in copies()
    served.kubectl("delete", "mdep/far", "-n", served.namespace)
    eventually("the copy is gone", copies, lambda seen: entry not in seen, within=10)


def test_pods_tell_what_they_compute_on(served: Installation) -> None:
    eventually(
        "the device", lambda: served.get("mdep", "near")["status"].get("device"), lambda d: d == "cpu", within=15
    )
