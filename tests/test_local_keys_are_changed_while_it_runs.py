"""`slipway keys` makes, replaces and revokes keys of local mode; a running `slipway up` follows without a restart."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import openai
import pytest
import yaml

from tests.eventually import eventually
from tests.local_mode import SlipwayUp, api_key, document, run_slipway, slipway_up

pytestmark = pytest.mark.local

FOLLOWS_SECONDS = 10.0
MODELS = document("words") + document("secret")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlipwayUp]:
    with slipway_up(tmp_path_factory.mktemp("up"), MODELS + api_key("demo")) as running:
        yield running


def opens(up: SlipwayUp, key: str) -> set[str] | None:
    """The models that a key opens; None if it is refused."""
    try:
        return {model.id for model in up.client(key).models.list()}
    except openai.AuthenticationError:
        return None


def becomes(up: SlipwayUp, key: str, models: set[str] | None) -> None:
    eventually(f"the key opens {models}", lambda: opens(up, key), lambda seen: seen == models, within=FOLLOWS_SECONDS)


def done(up: SlipwayUp, *arguments: str) -> str:
    """What a command printed; it must have succeeded."""
    ended = up.slipway("keys", *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_a_key_that_is_made_opens_what_it_may(up: SlipwayUp) -> None:
    key = done(up, "create", "guest", "--owner", "someone", "--model", "w*", "--requests-per-minute", "60")
    becomes(up, key, {"words"})
    assert [line.split() for line in done(up, "list").splitlines()] == [
        ["NAME", "OWNER", "MODELS", "STATE", "EXPIRES"],
        ["demo"],
        ["guest", "someone", "w*"],
    ]
    assert done(up, "show", "guest") == key
    again = up.slipway("keys", "create", "guest")
    assert (again.returncode, "there is a key guest already" in again.stderr) == (1, True)
    kept = yaml.safe_load((up.folder / "state" / "apikeys" / "guest.yaml").read_text())
    assert kept["spec"]["limits"] == {"requestsPerMinute": 60}


def test_a_key_that_is_revoked_is_refused(up: SlipwayUp) -> None:
    visitor = done(up, "create", "visitor")
    becomes(up, visitor, {"words", "secret"})
    done(up, "revoke", "visitor")
    becomes(up, visitor, None)
    assert set(done(up, "list", "-o", "name").splitlines()) - {"guest"} == {"demo"}


def test_a_rotation_keeps_the_old_key_for_the_overlap(up: SlipwayUp) -> None:
    first = done(up, "show", "demo")
    second = done(up, "rotate", "demo", "--overlap", "1h")
    becomes(up, second, {"words", "secret"})
    assert opens(up, first) == {"words", "secret"}
    third = done(up, "rotate", "demo", "--overlap", "1s")
    becomes(up, third, {"words", "secret"})
    becomes(up, second, None)
    assert opens(up, first) is None


def sessions_url(up: SlipwayUp) -> str:
    return up.base_url.removesuffix("/v1") + "/chat/sessions"


def sessions(up: SlipwayUp, key: str) -> list[str]:
    answer = httpx2.get(sessions_url(up), headers={"authorization": f"Bearer {key}"})
    return [session["id"] for session in answer.json()["data"]]


def test_sessions_stay_with_a_key_that_is_rotated_and_do_not_pass_to_its_namesake(up: SlipwayUp) -> None:
    first = done(up, "create", "chatty")
    becomes(up, first, {"words", "secret"})
    begun = httpx2.post(sessions_url(up), headers={"authorization": f"Bearer {first}"}, json={"model": "words"}).json()[
        "id"
    ]
    second = done(up, "rotate", "chatty", "--overlap", "0s")
    becomes(up, second, {"words", "secret"})
    assert sessions(up, second) == [begun]
    done(up, "revoke", "chatty")
    becomes(up, second, None)
    third = done(up, "create", "chatty")
    becomes(up, third, {"words", "secret"})
    assert sessions(up, third) == []
    done(up, "revoke", "chatty")


def test_the_key_of_an_apikey_in_a_file_is_replaced_when_it_is_revoked(up: SlipwayUp) -> None:
    old = done(up, "show", "demo")
    done(up, "revoke", "demo")
    becomes(up, old, None)
    becomes(up, done(up, "show", "demo"), {"words", "secret"})


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("create", "Guest"), 2, "cannot be the name of an APIKey"),
        (("create", "guest", "--requests-per-minute", "0"), 2, "greater than or equal to 1"),
        (("create", "guest", "--model", "a b"), 2, "spec.models.0"),
        (("create", "guest", "--expires-in", "tomorrow"), 2, "--expires-in"),
        (("rotate", "nobody"), 1, "no key nobody"),
        (("revoke", "nobody"), 1, "no key nobody"),
        (("list", "--kubeconfig", "missing.yaml"), 1, "missing.yaml"),
        (("usage", "--url", "http://127.0.0.1:9"), 1, "nothing answers"),
    ],
)
def test_what_cannot_be_done_is_told(tmp_path: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    ended = run_slipway(tmp_path, "keys", *arguments)
    assert (ended.returncode, words in ended.stderr) == (code, True), ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list((tmp_path / "state").glob("*/*"))
