import base64
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from urllib.parse import urlencode

import pytest
from scheme_keys import draft, keys, rsa_pair

from hookguard import Delivery, Verifier, presets
from hookguard.bodies import read_form
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
def test_hostile_signatures_are_rejected(sign):
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


def test_a_missing_field_is_reported():
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


def test_a_buyers_text_cannot_become_the_fields_behind_it():
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


@pytest.mark.parametrize("field", ["subject", "body", "passback_params", "biz_content", "a_new_field"])
@pytest.mark.parametrize(
    "text", ["Tom&name=Jerry", "https://shop.example/?a=1&utm_source=mail&b=2", "a&b=c&d=e", "&x=", "&Total_Amount=1", "a&&b==c"]
)
def test_a_text_that_reads_like_a_field_nobody_reads_is_accepted(field, text):
    paid = {**FORM, "total_amount": "88.00", "trade_no": "T1", field: text}
    delivery = signed(paid)
    assert verify(delivery)[0] == "#1"
    assert read_form(delivery.body)[field] == text


@pytest.mark.parametrize(
    "text", ["x&total_amount=9999.00", "x&trade_status=TRADE_SUCCESS&z=", "x&a=1&seller_id=2", "x&subject=y", "&sign=x"]
)
@pytest.mark.parametrize("field", ["subject", "body", "a_new_field"])
def test_a_text_that_reads_like_a_field_receivers_read_is_rejected(field, text):
    with pytest.raises(ConfigurationError, match="two readings"):
        signed({**FORM, field: text})


@pytest.mark.parametrize("field", ["out_trade_no", "total_amount", "seller_id", "notify_id", "buyer_logon_id", "msg_method"])
def test_a_field_receivers_decide_by_holds_no_other_field(field):
    with pytest.raises(ConfigurationError, match="two readings"):
        signed({**FORM, field: "7&x=1"})


def test_no_move_of_a_border_makes_another_order():
    """Whatever field is moved into its neighbour: an attacker has the signed text, and chooses where its fields begin."""
    honest = {**FORM, "total_amount": "0.01", "trade_no": "T1", "seller_id": "2088", "out_trade_no": "7"}
    sign = read_form(signed(honest).body)["sign"]
    names = sorted(honest.keys() - {"charset"})  # nobody decides by it
    for first, second in pairwise(names):
        moved = {name: value for name, value in honest.items() if name != second}
        moved[first] = f"{honest[first]}&{second}={honest[second]}"
        assert len(moved) == len(honest) - 1
        with pytest.raises((MalformedSignature, MissingTimestamp)):
            verify(sent({**moved, "sign": sign, "sign_type": "RSA2"}))


MESSAGE = {
    "app_id": "2021",
    "biz_content": '{"order_id":"1","status":"SUCCESS"}',
    "charset": "UTF-8",
    "msg_method": "alipay.fund.trans.order.changed",
    "notify_id": "n-2",
    "utc_timestamp": "1700000000123",
    "version": "1.1",
}


def test_a_notification_by_msg_method_has_its_own_time_and_type():
    event = Verifier(presets.ALIPAY, PUBLIC, clock=lambda: 1_700_000_000).verify(signed(MESSAGE))
    assert (event.id, event.type, event.timestamp) == ("n-2", "alipay.fund.trans.order.changed", 1_700_000_000.123)
    with pytest.raises(MissingTimestamp, match="utc_timestamp"):
        verify(signed({name: value for name, value in MESSAGE.items() if name != "utc_timestamp"}))
    for when in ("1700000000.1", "2023-11-15 06:13:20", "x"):
        with pytest.raises(TimestampRejected):
            verify(signed({**MESSAGE, "utc_timestamp": when}))
    # Where both are signed, the notification's own counts.
    both = verify(signed({**FORM, "utc_timestamp": "1"}))
    assert both == verify(signed())
