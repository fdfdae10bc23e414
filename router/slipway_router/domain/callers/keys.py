"""Who may call what: the keys that the router accepts, known by their hashes."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cached_property
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a caller may use. None: no limit."""

    requests_per_minute: int | None = None
    """Requests that begin within any minute."""
    tokens_per_minute: int | None = None
    """Tokens of prompts and answers together, within any minute."""
    tokens_per_day: int | None = None
    """The same, within a day (UTC)."""
    concurrent_requests: int | None = None
    """Requests that run at once."""


NO_LIMITS: Final = Limits()
_MOST_OPENED: Final = 1024
"""Names that a caller is remembered to may call; for further ones, the globs are matched each time."""


@dataclass(frozen=True)
class Caller:
    """Whoever calls: the holder of a key as an APIKey object describes it, of a token, or an anonymous one."""

    name: str
    """``namespace/name`` of the APIKey; for others, what identifies them in usage reports."""
    owner: str = ""
    models: tuple[str, ...] = ("*",)
    """Globs of the served names that the key opens: ``*`` any characters, ``?`` one."""
    admin: bool = False
    limits: Limits = NO_LIMITS
    bucket: str = ""
    """Whose use the limits count together; the name unless said otherwise."""
    uid: str = ""
    """``metadata.uid`` of the APIKey, if it has one: tells it from others that had its name before."""
    _opened: set[str] = field(default_factory=set, init=False, repr=False, compare=False)
    """Served names that were found to match."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bucket", self.bucket or self.name)
        if self.limits == NO_LIMITS:
            object.__setattr__(self, "limits", NO_LIMITS)  # So that requests need only look whether it is the same.

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(translate(glob) for glob in self.models) or r"(?!)")

    @property
    def identity(self) -> str:
        """Whose what the router keeps of a caller is: that of a deleted APIKey is not its namesake's."""
        return f"{self.name}#{self.uid}" if self.uid else self.bucket

    def may_call(self, served_name: str) -> bool:
        """Whether the key opens the model ``served_name``."""
        if served_name in self._opened:
            return True
        if self._pattern.match(served_name) is None:
            return False
        if len(self._opened) < _MOST_OPENED:
            self._opened.add(served_name)
        return True


@dataclass(frozen=True, slots=True)
class Key:
    """One accepted key of a caller."""

    caller: Caller
    expires_at: float | None = None
    """Seconds since 1970 from which on it is refused."""

    def expired(self, now: float) -> bool:
        """Whether the key is refused at ``now`` (seconds since 1970)."""
        return self.expires_at is not None and now >= self.expires_at


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All accepted keys at one moment, by the SHA-256 of the key in hexadecimal."""

    keys: Mapping[str, Key] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, keys: Iterable[tuple[str, Key]]) -> "KeyRing":
        """The ring of ``(sha256, key)`` pairs."""
        return cls(MappingProxyType(dict(keys)))


class KeyStore:
    """Holds the current `KeyRing`."""

    def __init__(self, ring: KeyRing | None = None) -> None:
        self.current = ring or KeyRing()

    def replace(self, ring: KeyRing) -> None:
        """Make ``ring`` the current one: from now on only its keys are accepted."""
        self.current = ring
