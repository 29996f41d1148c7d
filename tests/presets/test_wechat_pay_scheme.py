import json

import pytest
from scheme_keys import NOW, draft, keys, rsa_pair

from hookguard import Delivery, Secret, Verifier, presets
from hookguard.errors import (
    AmbiguousHeader,
    ConfigurationError,
    MalformedSignature,
    MalformedTimestamp,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
    UnknownKey,
)

SCHEME = presets.WECHAT_PAY.scheme
API_V3 = "0123456789abcdef0123456789abcdef"
PRIVATE, PUBLIC = rsa_pair()


def secret(**public):
    return Secret.of(public_keys=public or {"SERIAL": PUBLIC}, api_v3_key=API_V3)


KEYS = keys(SCHEME, secret())
BODY = b'{"id":"e-1","event_type":"TRANSACTION.SUCCESS"}'


def signed():
    return SCHEME.sign(draft(BODY), keys(SCHEME, secret(SERIAL=PRIVATE)))


def changed(body=BODY, **headers):
    kept = dict(signed().headers.items()) | {name.replace("_", "-"): value for name, value in headers.items()}
    return Delivery(body, {name: value for name, value in kept.items() if value is not None})


def test_sign_and_verify():
    assert SCHEME.verify(signed(), KEYS) == ("#1", NOW)
    assert SCHEME.verify(changed(wechatpay_signature_type="WECHATPAY2-SHA256-RSA2048"), KEYS)


@pytest.mark.parametrize(
    "delivery",
    [
        changed(body=BODY + b"\n"),
        changed(wechatpay_timestamp=f"{NOW + 1:.0f}"),
        changed(wechatpay_nonce="id-2"),
    ],
)
def test_each_signed_part_counts(delivery):
    with pytest.raises(SignatureMismatch):
        SCHEME.verify(delivery, KEYS)


def test_the_serial_number_chooses_among_what_is_configured_only():
    other = rsa_pair("other")[1]
    both = keys(SCHEME, secret(OTHER=other, SERIAL=PUBLIC))
    assert SCHEME.verify(signed(), both) == ("#1", NOW)
    with pytest.raises(SignatureMismatch):
        SCHEME.verify(changed(wechatpay_serial="OTHER"), both)
    for serial in ("NOBODY", "", None):
        with pytest.raises(UnknownKey):
            SCHEME.verify(changed(wechatpay_serial=serial), KEYS)
    # Two secrets while one is being replaced.
    assert SCHEME.verify(signed(), keys(SCHEME, secret(OTHER=other), secret())) == ("#2", NOW)


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"wechatpay_signature": None}, MissingSignature),
        ({"wechatpay_signature": "WECHATPAY/SIGNTEST/abc="}, MalformedSignature),
        ({"wechatpay_signature": "AAAA"}, SignatureMismatch),
        ({"wechatpay_signature": "é"}, MalformedSignature),
        ({"wechatpay_signature_type": "WECHATPAY2-SM2-WITH-SM3"}, MalformedSignature),
        ({"wechatpay_timestamp": None}, MissingTimestamp),
        ({"wechatpay_timestamp": "1.7e9"}, MalformedTimestamp),
        ({"wechatpay_nonce": None}, MalformedSignature),
        ({"wechatpay_nonce": "a\nb"}, MalformedSignature),
        ({"wechatpay_nonce": "é"}, MalformedSignature),
    ],
)
def test_hostile_headers_are_rejected(headers, error):
    with pytest.raises(error):
        SCHEME.verify(changed(**headers), KEYS)


def test_a_repeated_header():
    pairs = [*signed().headers.items(), ("Wechatpay-Serial", "OTHER")]
    with pytest.raises(AmbiguousHeader):
        SCHEME.verify(Delivery(BODY, pairs), KEYS)


def test_invalid_secrets_are_rejected():
    with pytest.raises(ConfigurationError, match="32"):
        Verifier(presets.WECHAT_PAY, Secret.of(public_keys={"S": PUBLIC}, api_v3_key="too-short-for-this"))
    with pytest.raises(ConfigurationError, match="'S'"):
        keys(SCHEME, Secret.of(public_keys={"S": "no key"}, api_v3_key=API_V3))
    with pytest.raises(ConfigurationError, match="private key"):
        SCHEME.sign(draft(BODY), KEYS)
    assert API_V3 not in repr(KEYS)


def test_the_resource_is_opened():
    body = json.dumps({"id": "e-1", "event_type": "TRANSACTION.SUCCESS", "resource": {"out_trade_no": "o-1"}}).encode()
    delivery = presets.WECHAT_PAY.sign(body, secret(SERIAL=PRIVATE), id="nonce", timestamp=NOW)
    assert b"o-1" not in delivery.body
    event = Verifier(presets.WECHAT_PAY, secret(), clock=lambda: NOW).verify(delivery)
    assert (event.id, event.type, event.json()["resource"]) == ("e-1", "TRANSACTION.SUCCESS", {"out_trade_no": "o-1"})
