from datetime import datetime, timezone

import pytest

pytest.importorskip("cryptography", reason="the extra crypto is not installed")

from key_server import Authority, pem

from hookguard.errors import UntrustedKeySource
from hookguard.schemes.certificates import MAX_CHAIN, check_dates, read_certificates

ROOT = Authority()
NOW = datetime.now(timezone.utc).timestamp()
DAY = 86400.0


def issued(issuer=ROOT, name="sign.example", **more):
    return issuer.issue(name, issuer=issuer, **more)[1]


def test_the_time_is_the_one_that_is_given():
    leaf = issued(start=datetime.now(timezone.utc), days=1)
    for off in (-1, 1.5):
        with pytest.raises(UntrustedKeySource, match="not valid at this time"):
            check_dates(leaf, NOW + off * DAY)
    check_dates(leaf, NOW + DAY / 2)


def test_certificates_are_read_in_order_and_not_without_end():
    leaf = issued()
    both = read_certificates(pem(leaf, ROOT.certificate))
    assert both == [leaf, ROOT.certificate]
    for wrong in (
        b"",
        b"x",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        pem(leaf) * (MAX_CHAIN + 1),
    ):
        with pytest.raises(ValueError, match="certificate"):
            read_certificates(wrong)
