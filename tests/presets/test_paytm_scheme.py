import base64
from urllib.parse import urlencode

import pytest
from scheme_keys import draft, keys

from hookguard import Delivery, Verifier, presets
from hookguard.errors import ConfigurationError, MalformedSignature, MissingSignature, SignatureMismatch

SCHEME = presets.PAYTM.scheme
KEY = "gKpu7IKaLSbkchFS"
KEYS = keys(SCHEME, KEY)
FORM = {"ORDERID": "O-1", "STATUS": "TXN_SUCCESS", "TXNAMOUNT": "10.00", "TXNDATE": "2026-01-01", "TXNID": "T-1"}
TYPE = {"Content-Type": "application/x-www-form-urlencoded"}


def signed(form=FORM):
    return SCHEME.sign(draft(urlencode(form).encode()), KEYS)


def fields(delivery):
    from hookguard.bodies import read_form

    return read_form(delivery.body)


def sent(form):
    return Delivery(urlencode(form).encode(), TYPE)


def test_sign_and_verify():
    assert SCHEME.verify(signed(), KEYS) == ("#1", None)
    assert SCHEME.verify(signed({**FORM, "BANKNAME": "null"}), KEYS) == ("#1", None)


@pytest.mark.parametrize("field", FORM)
def test_every_value_counts(field):
    form = fields(signed())
    with pytest.raises(SignatureMismatch):
        SCHEME.verify(sent({**form, field: form[field] + "0"}), KEYS)
    with pytest.raises(SignatureMismatch):
        SCHEME.verify(sent({name: value for name, value in form.items() if name != field}), KEYS)


@pytest.mark.parametrize("checksum", ["x", "é", base64.b64encode(bytes(80)).decode(), base64.b64encode(bytes(96)).decode()])
def test_hostile_checksums_are_rejected(checksum):
    with pytest.raises((MalformedSignature, SignatureMismatch)):
        SCHEME.verify(sent({**FORM, "CHECKSUMHASH": checksum}), KEYS)


def test_none_and_another_key():
    with pytest.raises(MissingSignature):
        SCHEME.verify(sent(FORM), KEYS)
    with pytest.raises(SignatureMismatch):
        SCHEME.verify(signed(), keys(SCHEME, "another16bytekey"))
    with pytest.raises(ConfigurationError, match="16, 24 or 32"):
        keys(SCHEME, "of no length that AES knows")


def test_another_spelling_or_another_name_is_the_same_event():
    # The checksum covers the values in the order of their names: what it leaves open must not make a new event.
    verifier = Verifier(presets.PAYTM, KEY)
    form = fields(signed())
    spelt = Delivery(signed().body.replace(b"O-1", b"%4F-1"), TYPE)
    renamed = {("TXNIE" if name == "TXNID" else name): value for name, value in form.items()}
    ids = {verifier.verify(delivery).id for delivery in (signed(), spelt, sent(dict(reversed(form.items()))), sent(renamed))}
    assert len(ids) == 1
    assert verifier.verify(signed({**FORM, "STATUS": "PENDING"})).id not in ids
