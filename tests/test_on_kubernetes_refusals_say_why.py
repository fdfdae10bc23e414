"""Wrong key, forbidden model, unknown model, model that is not ready: status and code tell them apart."""

import openai
import pytest

from tests.eventually import eventually
from tests.installation import Installation, api_key, error_of, model

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def served(module_installation: Installation) -> Installation:
    too_much = {"gpu": {"count": 64}}
    module_installation.apply(model("here"))
    module_installation.apply(model("stuck", resources=too_much))
    module_installation.apply(api_key("all") + "---\n" + api_key("narrow", models=["he*"]))
    module_installation.wait_ready("mdep/here")
    module_installation.wait_routable(module_installation.client(module_installation.key("all")), "here")
    return module_installation


def refusal(client: openai.OpenAI, name: str) -> tuple[int, str, dict[str, str]]:
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=name, messages=[{"role": "user", "content": "hi"}])
    return caught.value.status_code, error_of(caught.value)["code"], dict(caught.value.response.headers)


def test_a_wrong_key_is_401(served: Installation) -> None:
    assert refusal(served.client("sk-slipway-wrong"), "here")[:2] == (401, "invalid_api_key")


def test_a_model_outside_the_allow_list_is_403(served: Installation) -> None:
    narrow = served.client(served.key("narrow"))
    assert (
        eventually("the narrow key is known", lambda: refusal(narrow, "stuck")[0], lambda s: s != 401, within=5) == 403
    )


def test_an_allowed_model_answers_a_narrow_key(served: Installation) -> None:
    answer = served.client(served.key("narrow")).chat.completions.create(
        model="here", messages=[{"role": "user", "content": "hi"}], max_tokens=3
    )
    assert answer.choices[0].message.content


def test_an_unknown_model_is_404(served: Installation) -> None:
    assert refusal(served.client(served.key("all")), "nobody")[:2] == (404, "model_not_found")


def test_a_known_model_that_is_not_ready_is_503_with_retry_after(served: Installation) -> None:
    status, code, headers = refusal(served.client(served.key("all")), "stuck")
    assert (status, code) == (503, "model_unavailable")
    assert int(headers["retry-after"]) > 0
