"""A request body with other values for some of its fields: everything else stays as the caller wrote it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_router.domain.requests.editing import in_json

NAMES = st.text(min_size=1, max_size=20)
FIELDS = NAMES | st.sampled_from(["model", "max_tokens", "stream_options"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | NAMES | st.just('"model":"x"'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=3),
    max_leaves=10,
)


@given(
    st.dictionaries(FIELDS, VALUES, max_size=5),
    st.dictionaries(FIELDS, VALUES, max_size=3),
    st.booleans(),
    st.sampled_from([None, 2]),
)
def test_edits_set_fields(sent: dict[str, Any], set_: dict[str, Any], ascii_only: bool, indent: int | None) -> None:
    body = json.dumps(sent, ensure_ascii=ascii_only, indent=indent).encode()
    edits = {name: json.dumps(value).encode() for name, value in set_.items()}
    assert json.loads(b"".join(in_json(bytearray(body), edits))) == sent | set_
    if not sent.keys() & set_.keys():
        assert json.loads(b"".join(in_json(body, edits, absent=True))) == sent | set_


@pytest.mark.parametrize(
    ("body", "edited"),
    [
        (b'{ "model"\n:\t"a" , "x":1}', b'{ "model"\n:\t"b" , "x":1}'),
        (b'{"x":{"model":"a"},"mod\\u0065l":"a"}', b'{"x":{"model":"a"},"mod\\u0065l":"b"}'),
        (b'{"x":"\\\\","model":"a"}', b'{"x":"\\\\","model":"b"}'),
        (b'{"x":["model","a"],"y":"\\"model\\":","model":"a"}', b'{"x":["model","a"],"y":"\\"model\\":","model":"b"}'),
        (b'{"model":{"a":[1,{"model":"}"}]},"x":1}', b'{"model":"b","x":1}'),
        (b'{"model":-1.5e3}', b'{"model":"b"}'),
        (b'{"\\ud800":1,"x":1} ', b'{"\\ud800":1,"x":1,"model":"b"} '),
        (b" {} ", b' {"model":"b"} '),
    ],
)
def test_where_a_field_stands(body: bytes, edited: bytes) -> None:
    assert b"".join(in_json(body, {"model": b'"b"'})) == edited


def test_a_field_that_stands_twice_has_one_meaning() -> None:
    """Readers differ in which of the two they take."""
    edited = b"".join(in_json(b'{"model":"a","x":1,"model":"c"}', {"model": b'"b"'}))
    assert edited == b'{"model":"b","x":1,"model":"b"}'
