"""The serving certificate: made once, replaced before it ends, trusted without a gap."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from slipway_operator.adapters.metrics_api.authority import AUTHORITY_LIFETIME, LIFETIME, RENEWAL, renewed
from slipway_operator.domain.metrics_api.serving import ServiceReference, ServingIdentity, ServingPair

HOSTS = ServiceReference("slipway-system", "slipway-operator-metrics").hosts
START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
FIRST = renewed(None, HOSTS, START)


def certificates(text: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(text.encode())


def is_trusted(pair: ServingPair, by: ServingIdentity, now: datetime, host: str = HOSTS[0]) -> bool:
    """Whether a client that trusts the authorities of ``by`` takes the certificate for ``host``."""
    verifier = PolicyBuilder().store(Store(certificates(by.authorities))).time(now)
    try:
        verifier.build_server_verifier(x509.DNSName(host)).verify(certificates(pair.certificate)[0], [])
    except x509.verification.VerificationError:
        return False
    return True


def test_it_is_good_for_the_service() -> None:
    assert all(is_trusted(FIRST.pair, FIRST, START, host) for host in HOSTS)
    assert not is_trusted(FIRST.pair, FIRST, START, "elsewhere.svc")
    assert not is_trusted(FIRST.pair, renewed(None, HOSTS, START), START)


def test_it_stays_until_it_nears_its_end() -> None:
    assert renewed(FIRST, HOSTS, START + LIFETIME - RENEWAL - DAY) is FIRST


def test_then_another_one_is_signed_by_the_same_authority() -> None:
    later = START + LIFETIME - RENEWAL + DAY
    second = renewed(FIRST, HOSTS, later)
    assert (second.authorities, second.authority_key) == (FIRST.authorities, FIRST.authority_key)
    assert second.pair != FIRST.pair
    assert is_trusted(second.pair, FIRST, later + LIFETIME - DAY)


def test_a_new_authority_leaves_the_one_before_trusted_while_it_lives() -> None:
    last = START + AUTHORITY_LIFETIME - LIFETIME - DAY
    old, late = renewed(FIRST, HOSTS, last), last + LIFETIME - RENEWAL + DAY
    assert old.authorities == FIRST.authorities
    new = renewed(old, HOSTS, late)
    assert len(certificates(new.authorities)) == 2
    assert is_trusted(new.pair, new, late)
    assert is_trusted(old.pair, new, late)
    after = renewed(new, HOSTS, late + LIFETIME)
    assert len(certificates(after.authorities)) == 1


def test_another_service_gets_another_certificate() -> None:
    hosts = ServiceReference("elsewhere", "metrics").hosts
    other = renewed(FIRST, hosts, START)
    assert is_trusted(other.pair, FIRST, START, hosts[0])


@pytest.mark.parametrize(
    "broken",
    [
        ServingIdentity(FIRST.pair, "", FIRST.authority_key),
        ServingIdentity(FIRST.pair, FIRST.authorities, "no key"),
        ServingIdentity(ServingPair("no certificate", FIRST.pair.key), FIRST.authorities, FIRST.authority_key),
        ServingIdentity(ServingPair(FIRST.pair.certificate, FIRST.authority_key), FIRST.authorities, "no key"),
        ServingIdentity(FIRST.pair, renewed(None, HOSTS, START + DAY).authorities, FIRST.authority_key),
    ],
    ids=["no authority", "no key of it", "no certificate", "another one's key", "another authority"],
)
def test_what_cannot_be_used_is_made_anew(broken: ServingIdentity) -> None:
    later = START + LIFETIME - RENEWAL + 2 * DAY
    repaired = renewed(broken, HOSTS, later)
    assert is_trusted(repaired.pair, repaired, later)
    assert renewed(repaired, HOSTS, later) is repaired


def test_a_secret_gives_back_what_it_was_given() -> None:
    assert ServingIdentity.of_secret({"data": FIRST.to_data()}) == FIRST
    for data in (None, {}, {**FIRST.to_data(), "tls.key": "%%%"}, {"tls.crt": "AAAA"}):
        assert ServingIdentity.of_secret({"data": data}) is None
