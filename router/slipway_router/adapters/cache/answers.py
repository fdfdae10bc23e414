"""Step: answers that are kept, least recently used ones going first, and no longer than their model says."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from slipway_router.domain.exchange import Exchange, Headers, StoredAnswer
from slipway_router.domain.models.catalogue import Model
from slipway_router.domain.requests.caching import answer_key, is_whole, may_keep, may_look
from slipway_router.domain.requests.policy import CachePolicy

_STATUS: Final = b"x-slipway-cache"
_HIT: Final = (_STATUS, b"hit")
_MISS: Final = (_STATUS, b"miss")
_KEPT_FIELDS: Final = frozenset({b"content-type", b"content-encoding", b"content-language"})
"""Of an answer's header; the rest is about the one exchange."""
_OVERHEAD: Final = 1024
"""Bytes that an answer takes besides its body, about."""


@dataclass(slots=True)
class CacheNumbers:
    """What has happened."""

    hits: int = 0
    misses: int = 0
    stores: int = 0
    evictions: int = 0
    """Answers that went because others needed their place."""


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: StoredAnswer
    model: str
    since: float
    until: float

    @property
    def size(self) -> int:
        return _OVERHEAD + sum(map(len, self.answer.pieces))


class AnswerCache:
    """Keeps answers of all models, and what is recorded for that, within one number of bytes."""

    def __init__(self, max_bytes: int, max_answer_bytes: int, clock: Callable[[], float]) -> None:
        """``clock`` gives seconds and never goes back."""
        self.max_answer_bytes = max_answer_bytes
        self.numbers: dict[tuple[str, str], CacheNumbers] = {}
        """By namespace and name of the model."""
        self.size = 0
        """Bytes, of answers that are still being recorded, too."""
        self._max_bytes = max_bytes
        self._clock = clock
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._of_model: dict[str, OrderedDict[bytes, None]] = {}
        self._names: dict[str, tuple[str, str]] = {}

    def __len__(self) -> int:
        """How many answers there are."""
        return len(self._kept)

    def __call__(self, exchange: Exchange) -> None:
        """Set ``exchange.stored``, or ``exchange.recorder`` if the answer may be kept, and say which."""
        model = exchange.model
        if model is None or (policy := model.requests.cache) is None:
            return
        key = answer_key(exchange, policy)
        if key is None or not may_keep(exchange.headers):
            return
        numbers = self._numbers_of(model)
        kept = self._find(key) if may_look(exchange.headers) else None
        if kept is None:
            numbers.misses += 1
            exchange.reply_headers.append(_MISS)
            exchange.recorder = Recording(self, key, model, policy)
            return
        numbers.hits += 1
        exchange.stored = kept.answer
        exchange.reply_headers += (_HIT, (b"age", b"%d" % (self._clock() - kept.since)))

    def ended(self, exchange: Exchange) -> None:
        """Keep what was recorded of an exchange, if it ended well."""
        recording = exchange.recorder
        if isinstance(recording, Recording):
            good = not exchange.aborted and exchange.problem is None
            answer = recording.take(exchange) if good else None
            self.size -= recording.size
            if answer is not None:
                self._keep(recording, answer)

    def reserve(self, size: int) -> bool:
        """Make place for so many bytes; False if there cannot be."""
        while self.size + size > self._max_bytes:
            if not self._kept:
                return False
            self._drop(next(iter(self._kept)), evicted=True)
        self.size += size
        return True

    def _numbers_of(self, model: Model) -> CacheNumbers:
        self._names[model.key] = name = (model.namespace, model.name)
        return self.numbers.setdefault(name, CacheNumbers())

    def _find(self, key: bytes) -> _Kept | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        if self._clock() >= kept.until:
            self._drop(key, evicted=False)
            return None
        self._kept.move_to_end(key)
        self._of_model[kept.model].move_to_end(key)
        return kept

    def _keep(self, recording: "Recording", answer: StoredAnswer) -> None:
        now, policy, model = self._clock(), recording.policy, recording.model
        kept = _Kept(answer, model.key, now, now + policy.ttl)
        if recording.key in self._kept:
            self._drop(recording.key, evicted=False)
        siblings = self._of_model.get(model.key, ())
        while policy.max_entries is not None and len(siblings) >= policy.max_entries:
            self._drop(next(iter(siblings)), evicted=True)
        if policy.ttl <= 0 or not self.reserve(kept.size):
            return
        self._kept[recording.key] = kept
        self._of_model.setdefault(model.key, OrderedDict())[recording.key] = None
        self._numbers_of(model).stores += 1

    def _drop(self, key: bytes, *, evicted: bool) -> None:
        kept = self._kept.pop(key)
        self.size -= kept.size
        siblings = self._of_model[kept.model]
        del siblings[key]
        if not siblings:
            del self._of_model[kept.model]
        if evicted:
            self.numbers[self._names[kept.model]].evictions += 1


class Recording:
    """An answer on its way, and so much of it as may be kept."""

    def __init__(self, cache: AnswerCache, key: bytes, model: Model, policy: CachePolicy) -> None:
        self.key = key
        self.model = model
        self.policy = policy
        self.size = 0
        """Bytes that are reserved for it."""
        self._cache = cache
        self._headers: Headers = ()
        self._pieces: list[bytes] | None = None
        """None before it has begun, and when it cannot be kept."""
        self._complete = False

    def begin(self, status: int, headers: Headers) -> None:
        """Note the header."""
        if status == HTTPStatus.OK:
            self._headers = tuple(field for field in headers if field[0] in _KEPT_FIELDS)
            self._pieces = []

    def write(self, pieces: Sequence[bytes], last: bool) -> None:
        """Note pieces of the body."""
        if self._pieces is None:
            return
        size = sum(map(len, pieces))
        if self.size + size > self._cache.max_answer_bytes or not self._cache.reserve(size):
            self._pieces = None
            return
        self.size += size
        self._pieces += pieces
        self._complete = last

    def take(self, exchange: Exchange) -> StoredAnswer | None:
        """The answer; None if it is not one to give again."""
        if not self._complete or self._pieces is None:
            return None
        body = b"".join(self._pieces)
        if not is_whole(body, exchange.stream, exchange.route.operation):
            return None
        return StoredAnswer(HTTPStatus.OK, self._headers, (body,))
