"""A key counts from the moment that it is in the ring until it leaves it or expires."""

import time

import pytest

from slipway_crds.keys import hash_key
from slipway_router.domain.callers.authentication import Authenticate
from slipway_router.domain.callers.keys import Caller, Key, KeyRing, KeyStore
from slipway_router.domain.errors import RequestError
from tests.fakes.upstream import upstream
from tests.routers import KEY, chat, model, running_router

NEW = "sk-slipway-new"


@pytest.mark.local
async def test_a_new_ring_counts_at_once() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        before = await router.post("/v1/chat/completions", chat(), key=NEW)
        router.keys.replace(KeyRing.of([(hash_key(NEW), Key(Caller("default/new")))]))
        after = await router.post("/v1/chat/completions", chat(), key=NEW)
        old = await router.post("/v1/chat/completions", chat(), key=KEY)
    assert (before.status_code, after.status_code, old.status_code) == (401, 200, 401)


@pytest.mark.parametrize(("now", "code"), [(99.9, None), (100.0, "expired_api_key")])
def test_a_key_expires_on_the_second(now: float, code: str | None) -> None:
    ring = KeyRing.of([(hash_key(NEW), Key(Caller("default/new"), expires_at=100.0))])
    authenticate = Authenticate(KeyStore(ring), lambda: now)
    headers = {b"authorization": f"Bearer {NEW}".encode()}
    if code is None:
        assert authenticate.caller(headers).name == "default/new"
        return
    with pytest.raises(RequestError) as refusal:
        authenticate.caller(headers)
    assert refusal.value.problem.code.code == code


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        (b"authorization", b"Bearer " + NEW.encode(), True),
        (b"authorization", b"bearer  " + NEW.encode(), True),
        (b"x-api-key", NEW.encode(), True),
        (b"authorization", b"Basic " + NEW.encode(), False),
        (b"authorization", NEW.encode(), False),
        (b"authorization", b"Bearer", False),
        (b"authorization", b"Bearer " + hash_key(NEW).encode(), False),
    ],
)
def test_where_a_key_may_stand(name: bytes, value: bytes, accepted: bool) -> None:
    authenticate = Authenticate(KeyStore(KeyRing.of([(hash_key(NEW), Key(Caller("a/b")))])), time.time)
    try:
        found = authenticate.caller({name: value}).name == "a/b"
    except RequestError:
        found = False
    assert found is accepted


@pytest.mark.parametrize(
    ("globs", "name", "opens"),
    [
        (("*",), "any/thing", True),
        (("demo-*",), "demo-chat", True),
        (("demo-*",), "Demo-chat", False),
        (("demo-?",), "demo-12", False),
        (("a", "b"), "b", True),
        (("a",), "aa", False),
        ((), "a", False),
    ],
)
def test_which_models_a_key_opens(globs: tuple[str, ...], name: str, opens: bool) -> None:
    assert Caller("a/b", models=globs).may_call(name) is opens
