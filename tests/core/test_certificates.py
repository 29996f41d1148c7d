from datetime import datetime, timedelta, timezone

import pytest

pytest.importorskip("cryptography", reason="the extra crypto is not installed")

from key_server import Authority, pem

from hookguard.certificates import MAX_CHAIN, check_chain, check_dates, read_certificates, read_roots
from hookguard.errors import ConfigurationError, UntrustedKeySource

ROOT = Authority()
OTHER = Authority("another root")
NOW = datetime.now(timezone.utc).timestamp()
DAY = 86400.0


def issued(issuer=ROOT, name="sign.example", **more):
    return issuer.issue(name, issuer=issuer, **more)[1]


@pytest.mark.parametrize("host", ["sign.example", None])
def test_a_chain_that_leads_to_a_root(host):
    between = ROOT.intermediate()
    check_chain([issued()], [ROOT.certificate], NOW, host=host)
    check_chain([issued(between), between.certificate], [OTHER.certificate, ROOT.certificate], NOW, host=host)
    check_chain([issued(between), between.certificate, ROOT.certificate], [ROOT.certificate], NOW, host=host)


@pytest.mark.parametrize("host", ["sign.example", None])
@pytest.mark.parametrize(
    "what", ["another root", "its own root", "a missing link", "the leaf alone", "expired", "too early", "a leaf that signs"]
)
def test_a_chain_that_does_not(what, host):
    between = ROOT.intermediate()
    fake = ROOT.intermediate("no authority", authority=False)
    roots, now = [ROOT.certificate], NOW
    chain = {
        "another root": lambda: [issued(OTHER)],
        "its own root": lambda: [issued(OTHER), OTHER.certificate],
        "a missing link": lambda: [issued(between)],
        "the leaf alone": lambda: [issued(OTHER.intermediate())],
        "expired": lambda: [issued(start=datetime.now(timezone.utc) - timedelta(days=11))],
        "too early": lambda: [issued(start=datetime.now(timezone.utc) + timedelta(days=1))],
        "a leaf that signs": lambda: [issued(fake), fake.certificate],
    }[what]()
    with pytest.raises(UntrustedKeySource) as raised:
        check_chain(chain, roots, now, host=host)
    assert raised.value.status == 401


def test_the_time_is_the_one_that_is_given():
    leaf = issued(start=datetime.now(timezone.utc), days=1)
    check_chain([leaf], [ROOT.certificate], NOW + DAY / 2)
    for off in (-1, 1.5):
        with pytest.raises(UntrustedKeySource):
            check_chain([leaf], [ROOT.certificate], NOW + off * DAY)
        with pytest.raises(UntrustedKeySource, match="not valid at this time"):
            check_dates(leaf, NOW + off * DAY)
    check_dates(leaf, NOW + DAY / 2)


@pytest.mark.parametrize("host", ["other.example", "sign.example.evil.example", "example"])
def test_a_certificate_for_another_host(host):
    with pytest.raises(UntrustedKeySource):
        check_chain([issued()], [ROOT.certificate], NOW, host=host)


def test_certificates_are_read_in_order_and_not_without_end():
    leaf = issued()
    both = read_certificates(pem(leaf, ROOT.certificate))
    assert both == [leaf, ROOT.certificate]
    from cryptography.hazmat.primitives.serialization import Encoding

    assert read_certificates([leaf.public_bytes(Encoding.DER)]) == [leaf]
    for wrong in (
        b"",
        b"x",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        [],
        [b"x"],
        pem(leaf) * (MAX_CHAIN + 1),
    ):
        with pytest.raises(ValueError, match="certificate"):
            read_certificates(wrong)


def test_roots_are_the_machines_or_ones_own():
    assert read_roots(pem(ROOT.certificate).decode()) == [ROOT.certificate]
    assert read_roots(pem(ROOT.certificate)) == [ROOT.certificate]
    assert len(read_roots()) > 10
    with pytest.raises(ConfigurationError, match="no PEM"):
        read_roots("x")
