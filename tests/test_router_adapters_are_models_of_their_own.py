"""LoRA adapters: callers ask for them by name, on the pods of the model they are laid on."""

import pytest

from slipway_crds.model_deployment import ModelDeployment
from slipway_router.domain.models.catalogue import Catalogue
from slipway_router.domain.models.cluster_view import model_of
from tests.fakes.upstream import upstream
from tests.routers import CHAT_KEY, chat, model, running_router

pytestmark = pytest.mark.local


async def test_an_adapter_is_asked_for_by_its_name() -> None:
    async with upstream() as engine:
        base = model("base", engine.port, adapters=("chat-pirate", "pirate"))
        async with running_router([base]) as router:
            answers = [await router.post("/v1/chat/completions", chat(name)) for name in ("pirate", "base")]
            counted = await router.metric("slipway_router_requests_total", model="base")
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [request.json["model"] for request in engine.requests] == ["pirate", "base"]
    assert counted == 2
    assert [line["served_name"] for line in router.log_lines()] == ["pirate", "base"]


async def test_an_adapter_is_listed_with_its_parent() -> None:
    async with running_router([model("base", 1, adapters=("pirate",))]) as router:
        listed = (await router.request("GET", "/v1/models")).json()["data"]
        one = (await router.request("GET", "/v1/models/pirate")).json()
    assert {entry["id"]: entry.get("parent") for entry in listed} == {"base": None, "pirate": "base"}
    assert (one["id"], one["parent"]) == ("pirate", "base")


async def test_keys_open_an_adapter_by_its_own_name() -> None:
    async with upstream() as engine:
        base = model("base", engine.port, adapters=("chat-pirate",))
        async with running_router([base]) as router:
            statuses = [
                (await router.post("/v1/chat/completions", chat(name), key=CHAT_KEY)).status_code
                for name in ("chat-pirate", "base")
            ]
            listed = (await router.request("GET", "/v1/models", CHAT_KEY)).json()["data"]
    assert statuses == [200, 403]
    assert [entry["id"] for entry in listed] == ["chat-pirate"]


def test_a_name_belongs_to_the_older_model() -> None:
    old, young = model("x", created=1), model("y", created=2, adapters=("x", "z"))
    by_name = Catalogue.of([young, old]).by_name
    assert (by_name["x"], by_name["z"]) == (old, young)


def test_adapters_come_from_the_resource() -> None:
    spec = {
        "model": {"source": "demo://chat"},
        "engine": {"type": "vllm"},
        "adapters": [{"name": "pirate", "source": "hf://a/b"}],
    }
    resource = {"apiVersion": "slipway.dev/v1alpha1", "kind": "ModelDeployment", "metadata": {"name": "base"}}
    assert model_of(ModelDeployment.model_validate(resource | {"spec": spec}), ()).adapters == ("pirate",)
