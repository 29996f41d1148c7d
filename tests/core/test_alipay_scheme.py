import base64
from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode

import pytest
from scheme_keys import draft, keys, rsa_pair

from hookguard import Delivery, Verifier, presets
from hookguard.documents import read_form
from hookguard.errors import (
    ConfigurationError,
    MalformedBody,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
    TimestampRejected,
)

SCHEME = presets.ALIPAY.scheme
PRIVATE, PUBLIC = rsa_pair()
FORM = {
    "app_id": "2019",
    "body": "a & b=c",
    "charset": "utf-8",
    "notify_id": "n-1",
    "notify_time": "2023-11-15 06:13:20",
    "subject": "语雀空间",
    "trade_status": "TRADE_SUCCESS",
}
TYPE = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


def sent(form):
    return Delivery(urlencode(form).encode(), TYPE)


def signed(form=FORM):
    return SCHEME.sign(draft(urlencode(form).encode()), keys(SCHEME, PRIVATE))


def verify(delivery, public=PUBLIC):
    return SCHEME.verify(delivery, keys(SCHEME, public))


def test_sign_and_verify_with_the_time_of_china():
    name, timestamp = verify(signed())
    assert (name, timestamp) == ("#1", datetime(2023, 11, 15, 6, 13, 20, tzinfo=timezone(timedelta(hours=8))).timestamp())


@pytest.mark.parametrize("field", FORM)
def test_every_field_counts(field):
    form = read_form(signed().body)
    for changed in ({**form, field: form[field] + "0"}, {name: value for name, value in form.items() if name != field}):
        with pytest.raises(SignatureMismatch):
            verify(sent(changed))


def test_a_field_of_ones_own():
    with pytest.raises(SignatureMismatch):
        verify(sent({**read_form(signed().body), "zzz": "1"}))


def test_the_type_may_be_signed_or_not_and_may_be_missing():
    form = read_form(signed().body)
    assert verify(sent({name: value for name, value in form.items() if name != "sign_type"}))
    with pytest.raises(MalformedSignature, match="RSA2"):
        verify(sent({**form, "sign_type": "RSA"}))


def test_a_field_moved_into_its_neighbour_would_be_another_event():
    form = read_form(signed().body)
    moved = {name: value for name, value in form.items() if name != "notify_time"}
    moved["notify_id"] = f"{form['notify_id']}&notify_time={form['notify_time']}"
    with pytest.raises(MalformedSignature, match="two readings"):
        verify(sent(moved))
    with pytest.raises(MalformedSignature, match="two readings"):
        verify(sent({**form, "trade_status": "TRADE_SUCCESS&x=1"}))
    with pytest.raises(MalformedSignature, match="name"):
        verify(sent({**form, "a&b": "1"}))


@pytest.mark.parametrize("sign", ["é", "AAAA=", " AAAA", "x" * 343])
def test_hostile_signatures(sign):
    with pytest.raises((MalformedSignature, SignatureMismatch)):
        verify(sent({**FORM, "sign": sign}))


def test_base64_has_one_spelling():
    form = read_form(signed().body)
    # The last character before the padding holds four bits that decoders ignore.
    last = form["sign"].rstrip("=")[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = form["sign"].rstrip("=")[:-1] + alphabet[alphabet.index(last) ^ 1] + "=="
    with pytest.raises(MalformedSignature):
        verify(sent({**form, "sign": other}))


def test_what_is_missing():
    with pytest.raises(MissingSignature):
        verify(sent(FORM))
    with pytest.raises(MissingSignature):
        verify(Delivery(b"{}", {}))
    with pytest.raises(MissingTimestamp):
        verify(signed({name: value for name, value in FORM.items() if name != "notify_time"}))
    for when in ("2023-11-15", "2023-11-15T06:13:20", "2023-11-15 06:13:20Z"):
        with pytest.raises(TimestampRejected):
            verify(signed({**FORM, "notify_time": when}))
    with pytest.raises(MalformedBody):
        verify(Delivery(b"sign=a&sign=b", TYPE))


def test_another_key_and_the_public_one():
    with pytest.raises(SignatureMismatch):
        verify(signed(), rsa_pair("other")[1])
    with pytest.raises(ConfigurationError, match="private key"):
        SCHEME.sign(draft(urlencode(FORM).encode()), keys(SCHEME, PUBLIC))
    bare = "".join(PUBLIC.splitlines()[1:-1])
    assert verify(signed(), bare)


def test_another_spelling_of_the_form_is_the_same_event():
    verifier = Verifier(presets.ALIPAY, PUBLIC, clock=lambda: 1_700_000_000)
    form = read_form(signed().body)
    assert {verifier.verify(each).id for each in (signed(), sent(dict(reversed(form.items()))))} == {"n-1"}


def test_what_a_buyer_writes_cannot_become_the_fields_behind_it():
    """A subject that spells the later fields, the last of them open for the true ones: one signature, two readings."""
    told = "x&total_amount=9999.00&trade_no=T1&trade_status=TRADE_SUCCESS&zzz="
    honest = {**FORM, "subject": told, "total_amount": "0.01", "trade_no": "T1", "trade_status": "WAIT_BUYER_PAY"}
    with pytest.raises(ConfigurationError, match="two readings"):
        signed(honest)
    message = "&".join(f"{name}={value}" for name, value in sorted(honest.items())).encode()
    (key,) = keys(SCHEME, PRIVATE)
    sign = base64.b64encode(key.prepared.sign(message)).decode()
    tail = "&total_amount=0.01&trade_no=T1&trade_status=WAIT_BUYER_PAY"
    forged = {**FORM, "subject": "x", "total_amount": "9999.00", "trade_no": "T1", "zzz": tail}
    for form in (honest, forged):
        with pytest.raises(MalformedSignature, match="two readings"):
            SCHEME.verify(sent({**form, "sign": sign, "sign_type": "RSA2"}), keys(SCHEME, PUBLIC))
