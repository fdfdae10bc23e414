import pytest

from slipway_crds.duration import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("20s", 20), ("15m", 900), ("2h", 7200), ("1h30m", 5400), ("1m30s500ms", 90.5), ("0s", 0)],
)
def test_duration_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "5 s", "-5s", "1.5h", "5d", "s", "1m1h", "5s\n", "٥s", "9" * 20 + "s"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write for example 500ms, 20s, 15m or 1h30m"):
        parse_duration(text)
