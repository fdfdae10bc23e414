"""Sessions over HTTP: what is said is kept, for the key that said it, beyond a restart, and within bounds."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from slipway_crds.keys import hash_key
from slipway_router.app.options import Features, SessionOptions
from slipway_router.domain.callers.keys import Caller, Key, KeyRing
from tests.fakes.upstream import USAGE, Received, Reply, chat_chunk, upstream
from tests.routers import CHAT_KEY, KEY, RouterUnderTest, eventually_async, model, running_router

pytestmark = pytest.mark.local

HELLO = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello there"}]


async def begin(router: RouterUnderTest, key: str = KEY, **fields: Any) -> str:
    answer = await router.post("/chat/sessions", {"model": "chat-a", **fields}, key)
    assert answer.status_code == 201
    return str(answer.json()["id"])


async def ask(router: RouterUnderTest, session: str, content: str = "Hi", **fields: Any) -> Any:
    return await router.post(f"/chat/sessions/{session}/messages", {"content": content, **fields})


async def history(router: RouterUnderTest, session: str) -> list[dict[str, str]]:
    messages: list[dict[str, str]] = (await router.request("GET", f"/chat/history/{session}")).json()["messages"]
    return messages


async def eventually_kept(router: RouterUnderTest, session: str) -> list[dict[str, str]]:
    async with asyncio.timeout(5):
        while True:
            if kept := await history(router, session):
                return kept
            await asyncio.sleep(0.01)


async def test_a_question_goes_to_the_model_with_all_that_was_said() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        session = await begin(router, system="Be brief.", title="Ships")
        first = await ask(router, session)
        await ask(router, session, "More", temperature=0.5)
        kept = await history(router, session)
        listed = (await router.request("GET", "/chat/sessions")).json()["data"]
    assert first.json() == {
        "session": session,
        "model": "chat-a",
        "message": HELLO[1],
        "finish_reason": "stop",
        "usage": USAGE,
    }
    system = {"role": "system", "content": "Be brief."}
    assert engine.requests[1].json["messages"] == [system, *HELLO, {"role": "user", "content": "More"}]
    assert engine.requests[1].json["temperature"] == 0.5
    assert kept == [system, *HELLO, {"role": "user", "content": "More"}, HELLO[1]]
    assert [(each["id"], each["title"], each["messages"]) for each in listed] == [(session, "Ships", 5)]


async def test_a_streamed_answer_is_kept_before_its_end_is_told() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        session = await begin(router)
        answer = await ask(router, session, stream=True)
        assert answer.text.count("event: done") == 1
        assert await history(router, session) == HELLO


async def test_twenty_messages_stay_and_the_system_message_is_one_of_them() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        session = await begin(router, system="Be brief.")
        for number in range(15):
            await ask(router, session, f"q{number}")
        kept = await history(router, session)
    assert kept[0]["role"] == "system"
    assert [turn["content"] for turn in kept if turn["role"] == "user"] == [f"q{n}" for n in range(6, 15)]
    assert all(len(received.json["messages"]) <= 20 for received in engine.requests)


async def test_sessions_outlive_a_restart(tmp_path: Path) -> None:
    features = Features(sessions=SessionOptions(file=str(tmp_path / "sessions.sqlite")))
    async with upstream() as engine:
        models = [model("chat-a", engine.port)]
        async with running_router(models, features=features) as router:
            session = await begin(router)
            await ask(router, session)
        async with running_router(models, features=features) as router:
            assert await history(router, session) == HELLO


async def test_the_session_too_many_pushes_the_oldest_out() -> None:
    features = Features(sessions=SessionOptions(max_sessions=3))
    async with running_router([model("chat-a", 1)], features=features) as router:
        sessions = [await begin(router) for _ in range(4)]
        listed = (await router.request("GET", "/chat/sessions")).json()["data"]
        gone = await router.request("GET", f"/chat/history/{sessions[0]}")
    assert [each["id"] for each in listed] == sessions[:0:-1]
    assert gone.status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("GET", "/chat/history/{}", None),
        ("DELETE", "/chat/history/{}", None),
        ("DELETE", "/chat/sessions/{}", None),
        ("POST", "/chat/history/{}/rollback", {"turns": 1}),
        ("POST", "/chat/sessions/{}/messages", {"content": "Hi"}),
    ],
)
async def test_to_another_key_a_session_does_not_exist(method: str, path: str, content: Any) -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        session = await begin(router)
        await ask(router, session)
        answer = await router.request(method, path.format(session), CHAT_KEY, json=content)
        nowhere = await router.request(method, path.format("no-such-session"), json=content)
        listed = (await router.request("GET", "/chat/sessions", CHAT_KEY)).json()["data"]
        assert await history(router, session) == HELLO
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "session_not_found")
    assert nowhere.status_code == 404
    assert listed == []
    assert len(engine.requests) == 1


async def test_a_key_made_anew_under_an_old_name_has_no_sessions_and_a_rotated_one_keeps_them() -> None:
    def ring(key: str, uid: str) -> KeyRing:
        return KeyRing.of([(hash_key(key), Key(Caller("default/ann", uid=uid)))])

    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        router.keys.replace(ring(KEY, "first"))
        session = await begin(router)
        await ask(router, session)
        router.keys.replace(ring(CHAT_KEY, "second"))
        listed = (await router.request("GET", "/chat/sessions", CHAT_KEY)).json()["data"]
        said = await router.request("GET", f"/chat/history/{session}", CHAT_KEY)
        router.keys.replace(ring(CHAT_KEY, "first"))
        kept = await router.request("GET", f"/chat/history/{session}", CHAT_KEY)
    assert (listed, said.status_code) == ([], 404)
    assert kept.json()["messages"] == HELLO


async def test_turns_are_rolled_back_and_forgotten() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        session = await begin(router, system="Be brief.")
        for question in ("one", "two", "three"):
            await ask(router, session, question)
        left = await router.post(f"/chat/history/{session}/rollback", {"turns": 2})
        assert [turn["content"] for turn in left.json()["messages"]] == ["Be brief.", "one", "Hello there"]
        assert (await router.request("DELETE", f"/chat/history/{session}")).status_code == 204
        assert await history(router, session) == [{"role": "system", "content": "Be brief."}]
        assert (await router.request("DELETE", f"/chat/sessions/{session}")).status_code == 204
        assert (await router.request("GET", f"/chat/history/{session}")).status_code == 404


async def test_a_failed_answer_leaves_no_trace() -> None:
    async def refuse(received: Received, reply: Reply) -> None:
        await reply.json({"error": {"message": "too long"}}, "400 Bad Request")

    async with upstream(refuse) as engine, running_router([model("chat-a", engine.port)]) as router:
        session = await begin(router)
        whole, streamed = await ask(router, session), await ask(router, session, stream=True)
        assert await history(router, session) == []
    assert whole.status_code == streamed.status_code == 400


async def test_a_caller_who_leaves_keeps_what_was_said_so_far() -> None:
    async def endless(received: Received, reply: Reply) -> None:
        await reply.begin_stream()
        while True:
            await reply.event(chat_chunk("more "))
            await asyncio.sleep(0.01)

    async with upstream(endless) as engine, running_router([model("chat-a", engine.port)]) as router:
        session = await begin(router)
        url, headers = f"{router.url}/chat/sessions/{session}/messages", {"authorization": f"Bearer {KEY}"}
        async with (
            httpx2.AsyncClient(timeout=10) as client,
            client.stream("POST", url, headers=headers, json={"content": "Hi", "stream": True}) as answer,
        ):
            await anext(answer.aiter_lines())
        await eventually_async("the end of the engine's work", lambda: engine.abandoned, lambda n: n == 1)
        kept = await eventually_kept(router, session)
    assert kept[0] == HELLO[0]
    assert kept[1]["content"].startswith("more ")


@pytest.mark.parametrize(
    ("path", "content", "param"),
    [
        ("/chat/sessions", {}, "model"),
        ("/chat/sessions", {"model": "chat-a", "title": "x" * 201}, "title"),
        ("/chat/sessions", {"model": "chat-a", "id": "mine"}, "id"),
        ("/chat/sessions", {"model": "chat-a", "system": ""}, "system"),
        ("/chat/sessions/{}/messages", {"content": "x" * 32_769}, "content"),
        ("/chat/sessions/{}/messages", {}, "content"),
        ("/chat/history/{}/rollback", {"turns": 0}, "turns"),
    ],
)
async def test_a_wrong_field_is_named(path: str, content: dict[str, Any], param: str) -> None:
    async with running_router([model("chat-a", 1)]) as router:
        session = await begin(router)
        answer = await router.post(path.format(session), content)
        listed = await router.request("GET", "/chat/sessions?limit=0")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert listed.json()["error"]["param"] == "limit"


async def test_a_question_may_name_another_model() -> None:
    async with (
        upstream() as engine,
        running_router([model("chat-a", engine.port), model("chat-b", engine.port)]) as router,
    ):
        session = await begin(router)
        await ask(router, session)
        await ask(router, session, model="chat-b")
    assert [json.loads(received.body)["model"] for received in engine.requests] == ["chat-a", "chat-b"]
