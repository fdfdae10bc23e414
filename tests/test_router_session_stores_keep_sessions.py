"""Every store of sessions behaves the same: SQLite in memory, in a file, and a real Valkey or Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from slipway_router.adapters.sessions.sqlite import SqliteSessions
from slipway_router.adapters.sessions.valkey import ValkeySessions
from slipway_router.domain.api.sessions import Message, Messages, Session, SessionStore
from slipway_router.domain.errors import ErrorCode, RequestError
from tests.store_programs import StoreProgram
from tests.store_servers import running_store

pytestmark = pytest.mark.local

QUESTION = Message("user", 'What is a "slipway"?\n\0 ✓')


def session(number: int, owner: str = "default/a") -> Session:
    return Session(f"s{number}", owner, float(number), float(number), f"Title {number}", "chat-a")


@pytest.fixture(params=["memory", "file", *StoreProgram])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SessionStore]:
    if isinstance(request.param, StoreProgram):
        with running_store(tmp_path, program=request.param) as server:
            async with closing(ValkeySessions(server.url, "test", 2.0, 5)) as kept:
                yield kept
    else:
        file = str(tmp_path / "new" / "sessions.sqlite") if request.param == "file" else ""
        async with closing(SqliteSessions(file, 5)) as kept:
            yield kept


@asynccontextmanager
async def closing(store: SessionStore) -> AsyncIterator[SessionStore]:
    try:
        yield store
    finally:
        await store.close()


async def test_a_session_is_what_it_was(store: SessionStore) -> None:
    await store.add(Session("one", "default/a", 1.5, 1.5, "Ünïcode", "chat-a", (QUESTION,), 1))
    found = await store.get("default/a", "one")
    assert found == Session("one", "default/a", 1.5, 1.5, "Ünïcode", "chat-a", (QUESTION,), 1)


async def test_the_last_used_comes_first(store: SessionStore) -> None:
    for number in (1, 2, 3):
        await store.add(session(number))
    await store.change("default/a", "s1", lambda _: (QUESTION, QUESTION), 4.0)
    listed = await store.of("default/a", 100)
    assert [(each.id, each.count, each.updated) for each in listed] == [("s1", 2, 4.0), ("s3", 0, 3.0), ("s2", 0, 2.0)]
    assert [each.id for each in await store.of("default/a", 1)] == ["s1"]


async def test_another_owner_sees_and_changes_nothing(store: SessionStore) -> None:
    await store.add(session(1))
    assert await store.get("default/b", "s1") is None
    assert await store.of("default/b", 100) == []
    assert await store.change("default/b", "s1", lambda _: (), 2.0) is None
    assert await store.delete("default/b", "s1") is False
    assert await store.get("default/a", "s1") == session(1)


async def test_the_one_unused_for_longest_makes_room(store: SessionStore) -> None:
    for number in range(1, 6):
        await store.add(session(number, "default/a" if number % 2 else "default/b"))
    await store.change("default/a", "s1", lambda _: (QUESTION,), 5.5)
    await store.add(session(6))
    assert await store.get("default/b", "s2") is None
    assert [each.id for each in await store.of("default/b", 100)] == ["s4"]
    assert [each.id for each in await store.of("default/a", 100)] == ["s6", "s1", "s5", "s3"]


async def test_a_deleted_one_is_gone(store: SessionStore) -> None:
    await store.add(session(1))
    assert await store.delete("default/a", "s1") is True
    assert await store.delete("default/a", "s1") is False
    assert await store.get("default/a", "s1") is None
    assert await store.of("default/a", 100) == []


async def test_changes_at_once_are_all_there(store: SessionStore) -> None:
    await store.add(session(1))

    def say(number: int) -> "asyncio.Future[Session | None]":
        def more(messages: Messages) -> Messages:
            return (*messages, Message("user", str(number)))

        return asyncio.ensure_future(store.change("default/a", "s1", more, 2.0))

    await asyncio.gather(*map(say, range(8)))
    found = await store.get("default/a", "s1")
    assert found is not None
    assert {message.content for message in found.messages} == set(map(str, range(8)))


async def test_a_file_outlives_its_store(tmp_path: Path) -> None:
    file = tmp_path / "sessions.sqlite"
    async with closing(SqliteSessions(str(file), 5)) as first:
        await first.add(session(1))
    assert file.stat().st_mode & 0o077 == 0
    async with closing(SqliteSessions(str(file), 5)) as second:
        assert await second.get("default/a", "s1") == session(1)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    file = tmp_path / "sessions.sqlite"
    file.write_text("this is a letter to a friend, and as such it is long enough\n" * 20)
    with pytest.raises(OSError, match=r"sessions cannot be kept in .*sessions.sqlite: file is not a database"):
        SqliteSessions(str(file), 5)


async def test_a_store_that_is_away_is_told_and_comes_back(tmp_path: Path) -> None:
    with running_store(tmp_path) as server:
        async with closing(ValkeySessions(server.url, "test", 1.0, 5)) as store:
            await store.add(session(1))
            server.kill()
            with pytest.raises(RequestError) as caught:
                await store.get("default/a", "s1")
            assert caught.value.problem.code is ErrorCode.STORE_UNAVAILABLE
            server.start()
            await store.add(session(2))
            assert await store.get("default/a", "s2") == session(2)
