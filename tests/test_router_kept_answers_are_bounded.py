"""Kept answers never take more memory than they may, the least used go first, and none outlives its time."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from slipway_crds.engines import Task
from slipway_router.adapters.cache.answers import AnswerCache
from slipway_router.domain.api.routes import BY_PATH
from slipway_router.domain.callers.keys import Caller
from slipway_router.domain.errors import ErrorCode, Problem
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.models.catalogue import Model
from slipway_router.domain.requests.parsing import parse_call
from slipway_router.domain.requests.policy import CachePolicy, RequestPolicy

PLACE = 10_000
LARGEST = 4_000


@dataclass
class Clock:
    """Goes when told to."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    """A cache, and requests whose answers have the sizes that a test wants."""

    max_entries: int | None = None
    ttl: float = 60.0
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.cache = AnswerCache(PLACE, LARGEST, self.clock)

    def begin(self, text: str, name: str = "m") -> Exchange:
        policy = RequestPolicy(cache=CachePolicy(self.ttl, False, self.max_entries, "1"))
        body = b'{"model":"m","input":"%b"}' % text.encode()
        exchange = Exchange(BY_PATH[b"/v1/embeddings"], {}, "", "r", 0.0, body)
        exchange.caller = Caller("default/all")
        parse_call(exchange)
        exchange.model = Model(name, (name,), frozenset({Task.EMBEDDINGS}), requests=policy)
        self.cache(exchange)
        return exchange

    def answer(self, exchange: Exchange, size: int) -> None:
        assert exchange.recorder is not None
        exchange.recorder.begin(200, [(b"content-type", b"application/json")])
        exchange.recorder.write([b"x" * (size // 2)], last=False)
        exchange.recorder.write([b"x" * (size - size // 2)], last=True)

    def count(self, name: str) -> int:
        """A number of all models together."""
        return sum(getattr(numbers, name) for numbers in self.cache.numbers.values())

    def ask(self, text: str, size: int = 100, name: str = "m") -> bool:
        """Whether the answer was there."""
        exchange = self.begin(text, name)
        if exchange.stored is not None:
            return True
        self.answer(exchange, size)
        self.cache.ended(exchange)
        return False


def test_the_least_used_goes_first() -> None:
    world = World()
    for text in "abc":
        world.ask(text, 2000)
    assert world.ask("a")
    world.ask("d", 2000)
    assert world.count("evictions") == 1
    assert [world.ask(text, 0) for text in "acdb"] == [True, True, True, False]


def test_a_model_can_have_a_number_of_its_own() -> None:
    world = World(max_entries=2)
    for text in "abc":
        world.ask(text)
    world.ask("a", name="other")
    assert [world.ask(text) for text in "bca"] == [True, True, False]
    assert world.ask("a", name="other")


def test_a_smaller_number_holds_from_the_next_answer_on() -> None:
    world = World(max_entries=4)
    for text in "abcd":
        world.ask(text)
    world.max_entries = 2
    world.ask("e")
    assert len(world.cache) == 2
    assert [world.ask(text) for text in "de"] == [True, True]


def test_an_answer_has_its_time() -> None:
    world = World(ttl=60)
    world.ask("a")
    world.clock.now = 59.9
    exchange = world.begin("a")
    assert exchange.stored is not None
    assert (b"age", b"59") in exchange.reply_headers
    world.clock.now = 60
    assert not world.ask("a")
    assert world.ask("a")


def test_too_large_an_answer_is_not_kept() -> None:
    world = World()
    assert [world.ask("a", LARGEST + 1) for _ in range(2)] == [False, False]
    assert world.cache.size == 0
    assert [world.ask("a", LARGEST) for _ in range(2)] == [False, True]


def test_an_answer_that_did_not_end_well_is_not_kept() -> None:
    world = World()
    for ends in (
        {"aborted": "client"},
        {"aborted": "engine"},
        {"problem": Problem(ErrorCode.ENGINE_FAILED, "It broke off.")},
    ):
        exchange = world.begin("a")
        world.answer(exchange, 100)
        for name, value in ends.items():
            setattr(exchange, name, value)
        world.cache.ended(exchange)
        assert world.begin("a").stored is None
    assert (world.cache.size, len(world.cache)) == (0, 0)


def test_answers_under_way_count() -> None:
    """As many long answers as one likes may be recorded at once."""
    world = World()
    world.ask("kept", 2000)
    running = [world.begin(f"{number}") for number in range(10)]
    for exchange in running:
        world.answer(exchange, 3000)
        assert world.cache.size <= PLACE
    for exchange in running:
        world.cache.ended(exchange)
        assert world.cache.size <= PLACE
    assert 1 <= len(world.cache) <= 3


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, LARGEST + 100), st.sampled_from(["m", "n"]))))
def test_the_bound_holds(asked: list[tuple[str, int, str]]) -> None:
    world = World(max_entries=3)
    for text, size, name in asked:
        world.ask(text, size, name)
        assert world.cache.size <= PLACE
        assert len(world.cache) <= 6
    assert world.count("hits") + world.count("misses") == len(asked)
    assert world.count("stores") - world.count("evictions") == len(world.cache)
