import base64

import pytest
from scheme_keys import NOW, draft, keys

from hookguard import Delivery
from hookguard.errors import SignatureMismatch
from hookguard.presets.polar import PolarScheme
from hookguard.presets.standard_webhooks import standard_scheme

SCHEME = PolarScheme()
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize("reading", ["text", "whsec"])
def test_both_readings_of_a_secret_are_tried(reading):
    sender = standard_scheme("webhook", reading)
    delivery = sender.sign(draft(b"{}"), keys(sender, SECRET))
    assert SCHEME.verify(delivery, keys(SCHEME, SECRET)) == ("#1", NOW)
    assert SCHEME.verify(delivery, keys(SCHEME, "another-secret-of-its-own", SECRET)) == ("#2", NOW)
    with pytest.raises(SignatureMismatch):
        SCHEME.verify(Delivery(b"[]", delivery.headers), keys(SCHEME, SECRET))
    with pytest.raises(SignatureMismatch):
        SCHEME.verify(delivery, keys(SCHEME, "another-secret-of-its-own"))


def test_a_secret_without_valid_base64_is_text():
    delivery = SCHEME.sign(draft(b"{}"), keys(SCHEME, "polar_whs_an-early-secret"))
    assert SCHEME.verify(delivery, keys(SCHEME, "polar_whs_an-early-secret")) == ("#1", NOW)
