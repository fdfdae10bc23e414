"""Sessions in Valkey or Redis, for several routers.

``PREFIX:session:ID`` holds a session as JSON; the sorted sets ``PREFIX:sessions`` (``ID OWNER``) and
``PREFIX:sessions:of:OWNER`` (``ID``) hold when each was last used.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from valkey.asyncio import Valkey
from valkey.exceptions import ValkeyError, WatchError

from slipway_router.adapters.sessions.sqlite import messages_json, messages_of, session_of
from slipway_router.adapters.throttled_log import ThrottledLog
from slipway_router.domain.api.sessions import Messages, Session, store_unavailable

_ADD: Final = """
redis.call('SET', ARGV[1] .. ':session:' .. ARGV[2], ARGV[4])
redis.call('ZADD', ARGV[1] .. ':sessions', ARGV[5], ARGV[2] .. ' ' .. ARGV[3])
redis.call('ZADD', ARGV[1] .. ':sessions:of:' .. ARGV[3], ARGV[5], ARGV[2])
local surplus = redis.call('ZCARD', ARGV[1] .. ':sessions') - tonumber(ARGV[6])
if surplus > 0 then
  local old = redis.call('ZPOPMIN', ARGV[1] .. ':sessions', surplus)
  for i = 1, #old, 2 do
    local id, owner = string.match(old[i], '^(%S+) (.*)$')
    redis.call('DEL', ARGV[1] .. ':session:' .. id)
    redis.call('ZREM', ARGV[1] .. ':sessions:of:' .. owner, id)
  end
end
"""
_TRIES: Final = 20
_log = logging.getLogger(__name__)
T = TypeVar("T")


class ValkeySessions:
    """A `SessionStore`."""

    def __init__(self, url: str, prefix: str, timeout: float, max_sessions: int) -> None:
        self._client = Valkey.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout)
        self._prefix = prefix
        self._most = max_sessions
        self._throttled = ThrottledLog(_log)

    async def add(self, session: Session) -> None:
        """As `SessionStore` says."""
        values = (self._prefix, session.id, session.owner, _dump(session), repr(session.updated), str(self._most))
        await self._do(self._client.eval(_ADD, 0, *values))

    async def of(self, owner: str, most: int) -> list[Session]:
        """As `SessionStore` says."""
        ids = await self._do(self._client.zrevrange(self._of(owner), 0, most - 1))
        if not ids:
            return []
        texts = await self._do(self._client.mget([self._key(each.decode()) for each in ids]))
        sessions = [_load(text) for text in texts if text is not None]
        return [_without_messages(session) for session in sessions]

    async def get(self, owner: str, session_id: str) -> Session | None:
        """As `SessionStore` says."""
        text = await self._do(self._client.get(self._key(session_id)))
        return _owned(text, owner)

    async def change(
        self, owner: str, session_id: str, change: Callable[[Messages], Messages], now: float
    ) -> Session | None:
        """As `SessionStore` says."""
        return await self._do(self._change(owner, session_id, change, now))

    async def _change(
        self, owner: str, session_id: str, change: Callable[[Messages], Messages], now: float
    ) -> Session | None:
        key = self._key(session_id)
        for _ in range(_TRIES):
            async with self._client.pipeline() as pipe:
                await pipe.watch(key)
                session = _owned(await pipe.get(key), owner)
                if session is None:
                    return None
                changed = session.changed(change(session.messages), now)
                pipe.multi()
                pipe.set(key, _dump(changed))
                pipe.zadd(f"{self._prefix}:sessions", {f"{session_id} {owner}": now})
                pipe.zadd(self._of(owner), {session_id: now})
                try:
                    await pipe.execute()
                except WatchError:
                    continue
                return changed
        raise ValkeyError(f"session {session_id} is changed by too many at once")

    async def delete(self, owner: str, session_id: str) -> bool:
        """As `SessionStore` says."""
        if await self.get(owner, session_id) is None:
            return False
        async with self._client.pipeline() as pipe:
            pipe.delete(self._key(session_id))
            pipe.zrem(f"{self._prefix}:sessions", f"{session_id} {owner}")
            pipe.zrem(self._of(owner), session_id)
            done = await self._do(pipe.execute())
        return bool(done[0])

    async def close(self) -> None:
        """As `SessionStore` says."""
        await self._client.aclose()

    def _key(self, session_id: str) -> str:
        return f"{self._prefix}:session:{session_id}"

    def _of(self, owner: str) -> str:
        return f"{self._prefix}:sessions:of:{owner}"

    async def _do(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except (ValkeyError, OSError) as error:
            self._throttled.tell(logging.ERROR, "sessions: the store failed: %s", error)
            raise store_unavailable() from error


def _dump(session: Session) -> str:
    fields = (session.id, session.owner, session.created, session.updated, session.title, session.model)
    return json.dumps([*fields, messages_json(session.messages)])


def _load(text: bytes) -> Session:
    *fields, messages = json.loads(text)
    return session_of(fields, messages_of(messages))


def _owned(text: bytes | None, owner: str) -> Session | None:
    session = _load(text) if text is not None else None
    return session if session is not None and session.owner == owner else None


def _without_messages(session: Session) -> Session:
    fields = (session.id, session.owner, session.created, session.updated, session.title, session.model)
    return session_of(fields, (), session.count)
