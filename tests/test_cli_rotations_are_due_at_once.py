"""`slipway keys rotate` asks for a moment that has come by the cluster's clock, whatever the clock beside it says."""

from datetime import UTC, datetime, timedelta

import pytest

from slipway_crds.api_key import APIKey, APIKeyStatus, KeyHash
from slipway_local.domain.key_orders import rotation_moment

MADE = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


def api_key(*hashes: KeyHash) -> APIKey:
    key = APIKey.model_validate({"metadata": {"name": "guest"}, "spec": {"owner": "tests"}})
    return key.model_copy(update={"status": APIKeyStatus(key_hashes=hashes)})


@pytest.mark.parametrize("ahead", [timedelta(hours=-1), timedelta(0), timedelta(hours=1)])
def test_it_is_the_first_at_which_the_key_is_older(ahead: timedelta) -> None:
    newest = KeyHash(sha256="a" * 64, created_at=MADE)
    previous = KeyHash(sha256="b" * 64, expires_at=MADE + timedelta(days=1))
    assert rotation_moment(api_key(newest, previous), MADE + ahead) == "2026-01-31T12:00:01Z"


def test_of_a_key_of_unknown_age_it_is_now() -> None:
    assert rotation_moment(api_key(), MADE + timedelta(microseconds=7)) == "2026-01-31T12:00:00Z"
