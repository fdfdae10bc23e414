"""Chat sessions: what is kept of them, and what is forgotten."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from slipway_router.domain.errors import ErrorCode, RequestError, fail

SYSTEM: Final = "system"
USER: Final = "user"
ASSISTANT: Final = "assistant"
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: str
    content: str


Messages = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Session:
    """A chat that is remembered. Times are in seconds since 1970."""

    id: str
    owner: str
    """The identity of the caller whose it is; to everyone else it does not exist."""
    created: float
    updated: float
    title: str
    model: str
    """Who answers when a question names no model."""
    messages: Messages = ()
    count: int = 0
    """How many messages there are, where ``messages`` was left out."""

    def changed(self, messages: Messages, now: float) -> "Session":
        """The session with other messages, used ``now``."""
        return replace(self, messages=messages, updated=now, count=len(messages))


class SessionStore(Protocol):
    """Keeps sessions. Every method raises `RequestError` (503) when it cannot."""

    async def add(self, session: Session) -> None:
        """Keep a new session; the one that was used longest ago makes room for it."""
        ...

    async def of(self, owner: str, most: int) -> list[Session]:
        """The sessions of ``owner``, the last used first, without their messages."""
        ...

    async def get(self, owner: str, session_id: str) -> Session | None:
        """One session of ``owner``."""
        ...

    async def change(
        self, owner: str, session_id: str, change: Callable[[Messages], Messages], now: float
    ) -> Session | None:
        """Put ``change`` of the messages in their place, call it used; None if there is no such session."""
        ...

    async def delete(self, owner: str, session_id: str) -> bool:
        """Forget a session; whether there was one."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...


def is_id(text: str) -> bool:
    """Whether ``text`` may name a session."""
    return _ID.fullmatch(text) is not None


def pruned(messages: Sequence[Message], most: int) -> Messages:
    """At most ``most`` messages: the system message stays, of the others the newest, from a turn of the user on."""
    system = tuple(messages[:1]) if messages and messages[0].role == SYSTEM else ()
    others = messages[len(system) :]
    kept = list(others[max(0, len(others) - (most - len(system))) :])
    if len(kept) < len(others):
        # Templates of many models want the user to begin.
        while kept and kept[0].role != USER:
            kept.pop(0)
    return (*system, *kept)


def rolled_back(messages: Sequence[Message], turns: int) -> Messages:
    """Without the last ``turns`` turns of the user, and what was answered to them."""
    kept = list(messages)
    for _ in range(turns):
        while kept and kept[-1].role not in (USER, SYSTEM):
            kept.pop()
        if not kept or kept[-1].role == SYSTEM:
            break
        kept.pop()
    return tuple(kept)


def cleared(messages: Sequence[Message]) -> Messages:
    """Only the system message, if there is one."""
    return tuple(message for message in messages[:1] if message.role == SYSTEM)


def store_unavailable() -> RequestError:
    """The error for a store that does not answer."""
    return fail(ErrorCode.STORE_UNAVAILABLE, "Sessions cannot be reached now. Try again.", retry_after=1)
