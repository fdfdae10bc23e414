import re

from hypothesis import given
from hypothesis import strategies as st

from slipway_crds.names import child_name, selector_labels

names = st.from_regex(r"[a-z]([-a-z0-9]{0,251}[a-z0-9])?", fullmatch=True)


def test_a_short_name_is_kept() -> None:
    assert child_name("demo-chat") == "demo-chat"
    assert child_name("demo-chat", "-cache") == "demo-chat-cache"


@given(names)
def test_a_child_name_is_a_label_value(name: str) -> None:
    child = child_name(name, "-cache")
    assert len(child) <= 63
    assert child[0].isalpha()
    assert child[-1].isalnum()


@given(st.integers(64, 200))
def test_long_names_with_the_same_beginning_get_different_children(length: int) -> None:
    assert child_name("a" * length) != child_name("a" * (length + 1))


def test_a_name_that_is_cut_at_a_dot_stays_the_name_of_an_object() -> None:
    child = child_name("a" * 53 + "." + "b" * 20, "-apikey")
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", child), child


def test_pods_are_selected_by_fixed_labels_only() -> None:
    assert selector_labels("m" * 100) == {
        "app.kubernetes.io/name": "slipway-model",
        "slipway.dev/model": child_name("m" * 100),
    }
