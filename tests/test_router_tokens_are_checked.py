"""A token counts if a key of the provider signed it for this router, now; whatever else it is, it is refused."""

import hashlib
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from slipway_router.domain.callers.authentication import Authenticate
from slipway_router.domain.callers.keys import Caller, KeyStore, Limits
from slipway_router.domain.callers.oidc import TokenRules, Tokens, UnknownSigningKeyError, signing_keys
from slipway_router.domain.errors import RequestError
from tests.identity_providers import AUDIENCE, IdentityProvider, jwk, rsa_key, unsigned, with_wrong_signature

IN_2100 = 4102444800
ISSUER = "https://id.example.com"
PROVIDER = IdentityProvider(ISSUER)
RULES = TokenRules(ISSUER, AUDIENCE, models_claim="slipway_models", models=("free-*",), limits=Limits(60))


def caller_of(token: str, rules: TokenRules = RULES, keys: Any = None) -> Caller:
    tokens = Tokens(rules, time.time)
    tokens.replace_keys(signing_keys({"keys": keys or PROVIDER.published}))
    return tokens.caller(token.encode(), hashlib.sha256(token.encode()).hexdigest())


def refusal_of(token: str, keys: Any = None) -> tuple[str, str]:
    with pytest.raises(RequestError) as refusal:
        caller_of(token, keys=keys)
    return refusal.value.problem.code.code, refusal.value.problem.message


def test_a_good_token_names_its_caller() -> None:
    caller = caller_of(PROVIDER.token())
    assert (caller.name, caller.owner, caller.models) == ("oidc:alice", "alice", ("chat-*",))
    assert (caller.limits, caller.admin) == (Limits(60), False)


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"aud": "others"}, "audience is not 'slipway'"),
        ({"aud": None}, "no claim 'aud'"),
        ({"iss": "https://evil.example"}, f"issuer is not '{ISSUER}'"),
        ({"iss": None}, "no claim 'iss'"),
        ({"exp": None}, "no claim 'exp'"),
        ({"exp": "soon"}, "cannot be read"),
        ({"exp": float("inf")}, "cannot be read"),
        ({"nbf": IN_2100}, "not valid yet"),
        ({"sub": None}, "'sub' names nobody"),
        ({"sub": ""}, "'sub' names nobody"),
        ({"sub": "a\nb"}, "'sub' names nobody"),
        ({"sub": "x" * 257}, "'sub' names nobody"),
    ],
)
def test_wrong_claims_are_refused(claims: dict[str, Any], says: str) -> None:
    code, message = refusal_of(PROVIDER.token(**claims))
    assert (code, says in message) == ("invalid_token", True), message


def test_an_expired_token_is_told_so() -> None:
    assert refusal_of(PROVIDER.token(exp=time.time() - 60))[0] == "expired_token"


def test_clocks_may_be_a_little_apart() -> None:
    assert caller_of(PROVIDER.token(exp=time.time() - 10, nbf=time.time() + 10)).owner == "alice"


def test_a_wrong_signature_is_refused() -> None:
    assert "signature is wrong" in refusal_of(with_wrong_signature(PROVIDER.token()))[1]
    assert "signature is wrong" in refusal_of(PROVIDER.token(key=rsa_key()))[1]


def test_only_public_key_signatures_count() -> None:
    shared = jwt.encode(PROVIDER.claims(), b"s" * 64, "HS256", {"kid": PROVIDER.kid})
    for token in (shared, unsigned(PROVIDER.claims())):
        assert "must be signed with one of ES256" in refusal_of(token)[1]


def test_a_key_is_used_as_the_provider_says_only() -> None:
    keys = [jwk(PROVIDER.key, PROVIDER.kid, alg="RS256")]
    assert "not for the algorithm" in refusal_of(PROVIDER.token("PS256"), keys)[1]
    assert caller_of(PROVIDER.token("PS256")).owner == "alice"


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
        (PROVIDER.key, "RS512"),
    ],
    ids=["P-256", "P-384", "Ed25519", "RSA"],
)
def test_every_usual_kind_of_key_signs(key: Any, algorithm: str) -> None:
    assert caller_of(PROVIDER.token(algorithm, key=key), keys=[jwk(key, PROVIDER.kid)]).owner == "alice"


@pytest.mark.parametrize(
    "entry",
    [
        jwk(PROVIDER.key, "k", use="enc"),
        jwk(PROVIDER.key, "k", alg="RSA-OAEP"),
        jwk(PROVIDER.key, "k", key_ops=["encrypt"]),
        jwk(rsa.generate_private_key(65537, 1024), "k"),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "k", "alg": "HS256"},
        {"kty": "RSA", "kid": "k", "n": "!", "e": "AQAB"},
        jwk(PROVIDER.key, "k", alg=["RS256"]),
        jwk(PROVIDER.key, "k", key_ops=5),
        {"kid": "k"},
        "k",
    ],
    ids=[
        "for encryption",
        "OAEP",
        "key_ops",
        "weak",
        "shared secret",
        "broken",
        "alg no text",
        "key_ops no list",
        "empty",
        "no object",
    ],
)
def test_other_keys_of_the_provider_are_passed_over(entry: Any) -> None:
    assert list(signing_keys({"keys": [entry, *PROVIDER.published]})) == [PROVIDER.kid]
    with pytest.raises(ValueError, match="no key for signatures"):
        signing_keys({"keys": [entry]})


def test_what_a_key_says_with_null_it_does_not_say() -> None:
    keys = [jwk(PROVIDER.key, PROVIDER.kid, use=None, alg=None, key_ops=None)]
    assert caller_of(PROVIDER.token(), keys=keys).owner == "alice"


def test_a_key_may_have_no_name() -> None:
    nameless = [jwk(PROVIDER.key, None)]
    assert caller_of(PROVIDER.token(headers={}), keys=nameless).owner == "alice"
    with pytest.raises(UnknownSigningKeyError):
        caller_of(PROVIDER.token(headers={}, key=rsa_key()), keys=nameless)


def test_a_key_that_is_not_known_is_to_be_asked_for() -> None:
    with pytest.raises(UnknownSigningKeyError):
        caller_of(PROVIDER.token(headers={"kid": "k2"}))


@pytest.mark.parametrize(
    "token",
    [
        "eyJ.e30.x",
        "eyJhbGciOiJSUzI1NiJ9.!.!",
        "eyJ" + "A" * 17_000 + ".e30.x",
        "eyJ" + "W1tb" * 3000 + ".e30.x",
        "eyJhbGciOltdfQ.e30.AA",
    ],
    ids=["cut", "not Base64", "too long", "deep", "algorithm no text"],
)
def test_rubbish_is_refused(token: str) -> None:
    assert refusal_of(token)[0] == "invalid_token"


@pytest.mark.parametrize(
    ("claims", "models", "admin"),
    [
        ({"slipway_models": "a b-*"}, ("a", "b-*"), False),
        ({"slipway_models": None}, ("free-*",), False),
        ({"slipway_models": []}, (), False),
        ({"slipway_models": {"a": 1}}, (), False),
        ({"slipway_models": ["a", 1]}, ("a",), False),
        ({"realm": {"roles": ["user", "boss"]}}, ("chat-*",), True),
        ({"realm.roles": "boss"}, ("chat-*",), True),
        ({"realm": {"roles": ["user"]}}, ("chat-*",), False),
        ({"realm": "boss"}, ("chat-*",), False),
    ],
)
def test_claims_say_what_a_token_opens(claims: dict[str, Any], models: tuple[str, ...], admin: bool) -> None:
    rules = TokenRules(ISSUER, AUDIENCE, "sub", "slipway_models", ("free-*",), "realm.roles", "boss")
    caller = caller_of(PROVIDER.token(**claims), rules)
    assert (caller.models, caller.admin) == (models, admin)


def test_another_claim_may_name_the_owner() -> None:
    rules = TokenRules(ISSUER, AUDIENCE, owner_claim="email")
    assert caller_of(PROVIDER.token(email="al@example.com"), rules).name == "oidc:al@example.com"


def test_a_known_token_is_not_checked_again_until_it_expires() -> None:
    now, token = time.time(), PROVIDER.token()
    moments = iter([now, now + 629])
    tokens = Tokens(RULES, lambda: next(moments, now + 631))
    tokens.replace_keys(signing_keys({"keys": PROVIDER.published}))
    first = tokens.caller(token.encode(), "digest")
    again = [tokens.caller(b"eyJ.not.looked-at", "digest") for _ in range(2)]
    assert [caller is first for caller in again] == [True, True]
    with pytest.raises(RequestError):
        tokens.caller(b"eyJ.not.looked-at", "digest")


def test_new_keys_make_known_tokens_unknown() -> None:
    tokens = Tokens(RULES, time.time)
    tokens.replace_keys(signing_keys({"keys": PROVIDER.published}))
    token = PROVIDER.token().encode()
    assert tokens.caller(token, "digest").owner == "alice"
    tokens.replace_keys(signing_keys({"keys": [jwk(rsa_key(), "k2")]}))
    with pytest.raises(UnknownSigningKeyError):
        tokens.caller(token, "digest")


def test_without_a_provider_a_token_is_a_wrong_key() -> None:
    authenticate = Authenticate(KeyStore(), time.time)
    with pytest.raises(RequestError) as refusal:
        authenticate.caller({b"authorization": f"Bearer {PROVIDER.token()}".encode()})
    assert refusal.value.problem.code.code == "invalid_api_key"
