"""What a session keeps of its messages."""

import pytest

from slipway_router.domain.api.sessions import Message, cleared, is_id, pruned, rolled_back

SYSTEM = Message("system", "Be brief.")


def turns(first: int, last: int) -> tuple[Message, ...]:
    pairs = [(Message("user", f"q{n}"), Message("assistant", f"a{n}")) for n in range(first, last + 1)]
    return tuple(message for pair in pairs for message in pair)


def test_few_messages_all_stay() -> None:
    assert pruned((SYSTEM, *turns(1, 9)), 20) == (SYSTEM, *turns(1, 9))
    assert pruned(turns(1, 10), 20) == turns(1, 10)
    assert pruned((), 20) == ()


def test_of_many_the_newest_stay_and_the_system_message() -> None:
    assert pruned(turns(1, 11), 20) == turns(2, 11)
    assert pruned((SYSTEM, *turns(1, 11)), 20) == (SYSTEM, *turns(3, 11))


def test_what_stays_begins_with_the_user() -> None:
    question = Message("user", "next")
    assert pruned((*turns(1, 10), question), 20) == (*turns(2, 10), question)
    assert pruned((SYSTEM, *turns(1, 10), question), 20) == (SYSTEM, *turns(2, 10), question)


@pytest.mark.parametrize(
    ("count", "left"),
    [(1, (SYSTEM, *turns(1, 2))), (2, (SYSTEM, *turns(1, 1))), (3, (SYSTEM,)), (99, (SYSTEM,))],
)
def test_rolling_back_takes_questions_with_their_answers(count: int, left: tuple[Message, ...]) -> None:
    assert rolled_back((SYSTEM, *turns(1, 3)), count) == left


def test_rolling_back_takes_a_question_without_an_answer() -> None:
    assert rolled_back((*turns(1, 1), Message("user", "q2")), 1) == turns(1, 1)
    assert rolled_back((), 1) == ()


def test_clearing_leaves_the_system_message() -> None:
    assert cleared((SYSTEM, *turns(1, 3))) == (SYSTEM,)
    assert cleared(turns(1, 3)) == ()


@pytest.mark.parametrize("text", ["", "a" * 65, "a/b", "a b", "ä", "a\n"])
def test_other_words_are_no_ids(text: str) -> None:
    assert not is_id(text)
    assert is_id("a-Z_9")
