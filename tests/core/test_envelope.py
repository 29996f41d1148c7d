"""Encrypted and wrapped bodies: opened once they are verified, sealed when they are signed, rejected when they are not whole."""

import base64
import hashlib
import json
import os
from contextlib import suppress
from dataclasses import replace

import pytest
from guards import NOW, Async, Sync
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("cryptography")

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hookguard import (
    ConfigurationError,
    Delivery,
    Endpoint,
    HmacScheme,
    InBody,
    InForm,
    InXml,
    MemoryStore,
    Preset,
    Reply,
    Secret,
    SignatureHeader,
    Verifier,
)
from hookguard.batch import Batch
from hookguard.challenge import Echo
from hookguard.envelope import Base64Envelope, FramedAes, HashedKeyAes, SealedResource
from hookguard.errors import MalformedBody
from hookguard.schemes.base import Draft, Key
from hookguard.testing import FrozenClock

TOKEN = "a-secret-that-is-long-enough"
AES_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
DINGTALK = (
    "0vJiX6vliEpwG3U45CtXqi+m8PXbQRARJ8p8BbDuD1EMTDf0jKpQ79QS93qEk7XHpP6u+oTTrd15NRPvNvmBKyDCYxxOK+HZeKju4yhELOFchzNukR+t8SB/"
    "qk4ROMu3"
)
FRAMED = FramedAes(InBody("encrypt"), "owner")
HASHED = HashedKeyAes()
RESOURCE = SealedResource()


class Scheme(HmacScheme):
    """A signature, and whatever an envelope needs besides."""

    optional_fields = ("aes_key", "owner", "encrypt_key", "api_v3_key")


SCHEME = Scheme(signature=SignatureHeader("Acme-Signature", "{hex}"))


def preset(envelope, **more):
    return replace(
        Preset(name="acme", scheme=SCHEME, event_id=InBody("id"), event_type=InBody("kind"), envelope=envelope), **more
    )


def secret(**fields):
    return Secret.of(secret=TOKEN, **fields)


def key(**fields):
    return Key("#1", secret(**fields), None)


def cbc(raw_key, vector, data):
    work = Cipher(algorithms.AES(raw_key), modes.CBC(vector)).encryptor()
    return work.update(data) + work.finalize()


def framed(message, owner=b"corp", *, pad=None, length=None, aes_key=AES_KEY):
    """The container as its providers describe it, written here once more."""
    raw = base64.b64decode(aes_key + "=")
    text = os.urandom(16) + (len(message) if length is None else length).to_bytes(4, "big") + message + owner
    missing = 32 - len(text) % 32
    text += bytes([missing]) * missing if pad is None else pad
    return base64.b64encode(cbc(raw, raw[:16], text)).decode()


# The container of WeCom and DingTalk


@pytest.mark.parametrize(
    ("aes_key", "owner", "text", "message"),
    [
        # Tencent's WXBizMsgCrypt sample: the echostr of a URL's verification
        (
            "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
            "wx5823bf96d3bd56c7",
            "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ==",
            b"1616140317555161061",
        ),
        # wechatpy's tests
        (
            "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR",
            "wx49f0ab532d5d035a",
            "4ByGGj+sVCYcvGeQYhaKIk1o0pQRNbRjxybjTGblXrBaXlTXeOo1+bXFXDQQb1o6co6Yh9Bv41n7hOchLF6p+Q==",
            b"5927782489442352469",
        ),
        # DingTalk's own DingCallbackCrypto3.py
        (
            "Yue0EfdN5900c1ce5cf6A152c63DDe1808a60c5ecd7",
            "ding6ccabc44d2c8d38b",
            DINGTALK,
            b'{"EventType":"check_url"}',
        ),
    ],
    ids=["wecom", "wechatpy", "dingtalk"],
)
def test_published_containers_open(aes_key, owner, text, message):
    held = secret(aes_key=aes_key, owner=owner)
    assert FRAMED.decrypt(text, held) == message
    assert FRAMED.decrypt(FRAMED.encrypt(message, held), held) == message
    with pytest.raises(MalformedBody, match="belongs to another owner"):
        FRAMED.decrypt(text, secret(aes_key=aes_key, owner=owner + "x"))


@given(st.binary(max_size=200), st.text("abcdef0123456789", min_size=1, max_size=40))
def test_an_encrypted_envelope_opens_and_equals_the_published_one(message, owner):
    held = secret(aes_key=AES_KEY, owner=owner)
    assert FRAMED.decrypt(FRAMED.encrypt(message, held), held) == message
    assert FRAMED.decrypt(framed(message, owner.encode()), held) == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "A===",
        "AAAA",
        "****",
        base64.b64encode(bytes(15)).decode(),
        base64.b64encode(bytes(16)).decode(),
        base64.b64encode(bytes(64)).decode(),
        framed(b"x", b"corp" + bytes(7), pad=b""),
        framed(b"x", pad=bytes([0]) * 7),
        framed(b"x", pad=bytes([33]) * 7),
        framed(b"x", pad=bytes([6]) * 6 + b"\x07"),
        framed(b"x", length=2),
        framed(b"x", length=0xFFFFFFFF),
        framed(b"x", b"other"),
        framed(b"x", b""),
        framed(b"x", aes_key="kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR"),
    ],
)
def test_an_incomplete_envelope_is_rejected(text):
    with pytest.raises(MalformedBody):
        FRAMED.decrypt(text, secret(aes_key=AES_KEY, owner="corp"))


@given(st.binary(max_size=200))
def test_no_bytes_make_anything_but_a_rejection(data):
    body = json.dumps({"encrypt": base64.b64encode(data).decode()}).encode()
    with pytest.raises(MalformedBody):
        FRAMED.open(Delivery(body, {}), key(aes_key=AES_KEY, owner="corp"))
    with pytest.raises(MalformedBody):
        RESOURCE.open(Delivery(body, {}), key(api_v3_key="k" * 31 + "x"))


@pytest.mark.parametrize("aes_key", ["short", AES_KEY + "=", AES_KEY[:-1], AES_KEY[:-1] + "-"])
def test_a_wrong_aes_key_is_rejected_at_the_start(aes_key):
    with pytest.raises(ConfigurationError, match="aes_key is not valid: give the 43"):
        Verifier(preset(FRAMED), secret(aes_key=aes_key, owner="corp"))
    with pytest.raises(ConfigurationError, match="'owner' was not given"):
        Verifier(preset(FRAMED), secret(aes_key=AES_KEY))


# Lark


def lark(message, encrypt_key="lark-key"):
    # Not random: under another key, one in 256 happens to end in what looks like padding.
    vector = bytes(range(16))
    missing = 16 - len(message) % 16
    data = vector + cbc(hashlib.sha256(encrypt_key.encode()).digest(), vector, message + bytes([missing]) * missing)
    return json.dumps({"encrypt": base64.b64encode(data).decode()}).encode()


@given(st.binary(max_size=100))
def test_a_hashed_key_opens_what_others_make(message):
    held = key(encrypt_key="lark-key")
    assert HASHED.open(Delivery(lark(message), {}), held) == message
    assert HASHED.open(Delivery(HASHED.seal(Draft(message, {}), held).body, {}), held) == message


def test_a_body_is_encrypted_exactly_if_the_secret_has_a_key_for_it():
    assert HASHED.open(Delivery(b'{"id": 1}', {}), key()) == b'{"id": 1}'
    for body, held in (
        (b'{"id": 1}', key(encrypt_key="lark-key")),
        (lark(b"{}"), key()),
        (lark(b"{}"), key(encrypt_key="other")),
    ):
        with pytest.raises(MalformedBody):
            HASHED.open(Delivery(body, {}), held)
    for short in ("", "AAAA", base64.b64encode(bytes(16)).decode(), base64.b64encode(bytes(40)).decode()):
        with pytest.raises(MalformedBody):
            HASHED.open(Delivery(json.dumps({"encrypt": short}).encode(), {}), key(encrypt_key="lark-key"))


# WeChat Pay


def sealed(plain, api_v3_key=b"k" * 31 + b"x", nonce="abcdefghijkl", extra="transaction", **changed):
    data = AESGCM(api_v3_key).encrypt(nonce.encode(), plain, extra.encode())
    resource = {
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(data).decode(),
        "nonce": nonce,
        "associated_data": extra,
        "original_type": "transaction",
        **changed,
    }
    return json.dumps({"id": "EV-1", "resource": resource}).encode()


WECHAT = "k" * 31 + "x"


def test_a_resource_is_replaced_by_its_plain_text():
    opened = RESOURCE.open(Delivery(sealed('{"amount": 7, "名": "张"}'.encode()), {}), key(api_v3_key=WECHAT))
    assert json.loads(opened) == {"id": "EV-1", "resource": {"amount": 7, "名": "张"}}
    without = sealed(b"{}", extra="", associated_data=None)
    assert json.loads(RESOURCE.open(Delivery(without, {}), key(api_v3_key=WECHAT)))["resource"] == {}
    draft = RESOURCE.seal(Draft(opened, {}), key(api_v3_key=WECHAT))
    assert b"amount" not in draft.body
    assert RESOURCE.open(Delivery(draft.body, {}), key(api_v3_key=WECHAT)) == opened
    assert RESOURCE.seal(draft, key(api_v3_key=WECHAT)) is draft


def test_a_published_resource_opens():
    """TestHandler_ParseNotifyRequest of wechatpay-go; its key is shorter than real ones."""
    resource = {
        "original_type": "payscore",
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": (
            "YDS3lKPaC4Y52Gf3uhft5qUBlIa8b428AWTtTauHQfQrRw+X1WpiuHIDy0vo1Vd6VEq67aVyqPdDYMkRVSDaZL3iZttevRMOoPKMifozg6XPWjIZumks"
            "/GpT48lI4NizyeaqLBokNebthah3o1H76qSlO9NkDjp9bzmKLEYYH9TEklFUpsvPqOTOcgSLgh21YJXYR7dEBXFgRLiNIKRgO5JdXh1hccRUAlyVWxE5"
            "4PXpnQ=="
        ),
        "associated_data": "payscore",
        "nonce": "Kj7QIyUiYx1q",
    }
    opened = RESOURCE.open(Delivery(json.dumps({"resource": resource}).encode(), {}), key(api_v3_key="testMchAPIv3Key0"))
    assert json.loads(opened)["resource"] == {
        "mchid": "1234567890",
        "appid": "054aa7d7a2a54ab5898df65bd96f001c",
        "create_time": "2020-06-30T12:12:00+08:00",
        "out_contract_code": "21640bdbd08e473e828f3206a2741c6e",
    }


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b'{"resource": 7}',
        sealed(b"{}", algorithm="AEAD_AES_128_GCM"),
        sealed(b"{}", algorithm=None),
        sealed(b"{}", ciphertext="AAAA"),
        sealed(b"{}", ciphertext=""),
        sealed(b"{}", ciphertext="*"),
        sealed(b"{}", ciphertext=7),
        sealed(b"{}").replace(b'"nonce": "', b'"nonce": 7, "x": "'),
        sealed(b"{}", nonce="abcdefghijkl", associated_data="other"),
        sealed(b"{}", associated_data=7),
        sealed(b"{}", b"o" * 31 + b"x"),
        sealed(b"no json"),
        sealed(b'{"a": 1, "a": 2}'),
    ],
)
def test_a_resource_that_does_not_open_is_rejected(body):
    with pytest.raises(MalformedBody):
        RESOURCE.open(Delivery(body, {}), key(api_v3_key=WECHAT))


@pytest.mark.parametrize("nonce", ["", "short", "x" * 13, "x" * 200, "漢" * 12, "\ud800" * 4])
def test_a_nonce_has_twelve_bytes(nonce):
    body = json.loads(sealed(b"{}"))
    body["resource"]["nonce"] = nonce
    with pytest.raises(MalformedBody):
        RESOURCE.open(Delivery(json.dumps(body).encode(), {}), key(api_v3_key=WECHAT))


def test_a_wrong_api_v3_key_is_rejected_at_the_start():
    with pytest.raises(ConfigurationError, match="the 32 characters"):
        Verifier(preset(RESOURCE), secret(api_v3_key="too-short"))


# Through verifier and guard


CASES = {
    "framed": (FRAMED, {"aes_key": AES_KEY, "owner": "corp"}),
    "framed in XML": (FramedAes(InXml("Encrypt"), "owner"), {"aes_key": AES_KEY, "owner": "corp"}),
    "hashed key": (HASHED, {"encrypt_key": "lark-key"}),
}


@pytest.mark.parametrize("case", CASES)
def test_an_event_is_what_is_inside(case):
    envelope, fields = CASES[case]
    acme = preset(envelope)
    held = secret(**fields)
    first, second = (acme.sign(b'{"id": "e1", "kind": "paid"}', held) for _ in range(2))
    assert first.body != second.body
    assert b"paid" not in first.body
    event = Verifier(acme, held).verify(first)
    assert (event.id, event.type, event.json(), event.body) == ("e1", "paid", {"id": "e1", "kind": "paid"}, first.body)
    assert event.content == b'{"id": "e1", "kind": "paid"}'
    assert event.fingerprint() == Verifier(acme, held).verify(second).fingerprint()
    assert acme.sign(first.body, held) == first  # what is sealed stays as it is


@pytest.mark.parametrize("kind", [Sync, Async], ids=lambda kind: kind.name)
def test_a_retry_that_is_encrypted_once_more_is_the_same_event(kind):
    acme = preset(FRAMED, event_id=None, identity="content", acknowledge=Reply.text(200, "success"))
    held = secret(aes_key=AES_KEY, owner="corp")
    guard = kind(Endpoint(Verifier(acme, held)), MemoryStore())
    receipt = guard.open(acme.sign(b'{"kind": "paid"}', held))
    assert receipt.event.json() == {"kind": "paid"}
    assert guard.settle(receipt, status=204) == Reply.text(200, "success")
    reply = guard.open(acme.sign(b'{"kind": "paid"}', held)).reply
    assert (reply.status, reply.body, dict(reply.headers)["Hookguard-Duplicate"]) == (200, b"success", "1")


@pytest.mark.parametrize("kind", [Sync, Async], ids=lambda kind: kind.name)
def test_an_acknowledgement_is_for_success_alone_and_may_be_made_for_the_event(kind):
    held = secret(aes_key=AES_KEY, owner="corp")
    acme = preset(FRAMED, acknowledge=lambda event, key: Reply.json(200, {"sealed": FRAMED.encrypt(b"success", key.secret)}))
    guard = kind(Endpoint(Verifier(acme, held), store_reply=True), MemoryStore())
    delivery = acme.sign(b'{"id": "e1", "kind": "paid"}', held)
    assert guard.settle(guard.open(delivery), status=500) is None
    said = guard.settle(guard.open(delivery), reply=Reply.text(200, "the handler's own"))
    assert FRAMED.decrypt(json.loads(said.body)["sealed"], held) == b"success"
    again = guard.open(delivery).reply
    assert FRAMED.decrypt(json.loads(again.body)["sealed"], held) == b"success"


@pytest.mark.parametrize("kind", [Sync, Async], ids=lambda kind: kind.name)
def test_an_acknowledgement_of_a_batch(kind):
    acme = preset(None, batch=Batch("events"), acknowledge=Reply.text(200, "success"))
    guard = kind(Endpoint(Verifier(acme, TOKEN)), MemoryStore())
    delivery = acme.sign(b'{"events": [{"id": "a"}, {"id": "b"}]}', TOKEN)
    receipt = guard.open(delivery)
    assert guard.settle(receipt, status=204).body == b"success"
    receipt = guard.next(receipt)
    assert guard.settle(receipt, status=500) is None
    assert guard.next(receipt) is None
    receipt = guard.open(delivery)
    assert guard.settle(receipt, status=204).body == b"success"
    assert guard.next(receipt) is None
    assert guard.open(delivery).reply.body == b"success"
    assert guard.open(acme.sign(b'{"events": []}', TOKEN)).reply.body == b"success"


def test_while_only_the_envelopes_key_is_rotated_both_open():
    old, new = secret(aes_key=AES_KEY, owner="corp"), secret(aes_key="kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR", owner="corp")
    verifier = Verifier(preset(FRAMED), [new, old])
    assert verifier.verify(preset(FRAMED).sign(b'{"id": "e1"}', new)).secret == "#1"
    assert verifier.verify(preset(FRAMED).sign(b'{"id": "e1"}', old)).secret == "#2"
    with pytest.raises(MalformedBody):
        Verifier(preset(FRAMED), new).verify(preset(FRAMED).sign(b'{"id": "e1"}', old))


def test_a_forged_body_is_never_decrypted():
    seen = []

    class Watched(FramedAes):
        def open(self, delivery, key):
            seen.append(delivery)
            return super().open(delivery, key)

    acme = preset(Watched(InBody("encrypt"), "owner"))
    held = secret(aes_key=AES_KEY, owner="corp")
    delivery = acme.sign(b'{"id": "e1"}', held)
    guard = Sync(Endpoint(Verifier(acme, held)), MemoryStore())
    assert guard.open(Delivery(delivery.body + b" ", delivery.headers)).reply.status == 401
    assert seen == []
    # Signed and not to be opened: rejected as malformed, and nothing is run.
    bad = SCHEME.sign(Draft(b'{"encrypt": "AAAA"}', {}), [_ready(held)])
    assert guard.open(bad).reply.status == 400


def _ready(held):
    return Key("#1", held, SCHEME.prepare(held))


def test_a_challenge_inside_is_found():
    acme = preset(FRAMED, challenge=Echo(InBody("challenge"), when={InBody("type"): "url_verification"}))
    held = secret(aes_key=AES_KEY, owner="corp")
    guard = Sync(Endpoint(Verifier(acme, held)), MemoryStore())
    assert guard.open(acme.sign(b'{"type": "url_verification", "challenge": "abc"}', held)).reply.body == b"abc"


def test_a_document_in_a_form_field():
    acme = preset(Base64Envelope(InForm("bt_payload")), event_id=InXml("subject/id"), event_type=InXml("kind"))
    xml = b"<notification><kind>check</kind><subject><id>7</id></subject></notification>"
    body = b"bt_signature=x&bt_payload=" + base64.encodebytes(xml).replace(b"\n", b"%0A").replace(b"+", b"%2B").replace(
        b"=", b"%3D"
    )
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    event = Verifier(acme, TOKEN).verify(acme.sign(body, TOKEN, headers=headers))
    assert (event.id, event.type, event.content, event.form["bt_signature"]) == ("7", "check", xml, "x")
    assert event.xml().tag == "notification"
    with pytest.raises(MalformedBody):
        event.json()
    for wrong in (b"bt_payload=*", b"other=1", b"bt_payload="):
        with pytest.raises(MalformedBody):
            Verifier(acme, TOKEN).verify(acme.sign(wrong, TOKEN, headers=headers))


# XML


def place(path, body):
    scheme = HmacScheme(signature=SignatureHeader("Acme-Signature", "{hex}"))
    acme = Preset(name="acme", scheme=scheme, event_id=InXml(path))
    return Verifier(acme, TOKEN, clock=FrozenClock(NOW)).verify(acme.sign(body, TOKEN))


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"<xml><Id>7</Id></xml>", "7"),
        (b"<?xml version='1.0' encoding='UTF-8'?><xml><Id><![CDATA[a<b]]></Id></xml>", "sha256"),
        (b"<xml><Id>a<!-- no -->b</Id></xml>", "ab"),
        (b"<xml><Id>&#65;&amp;B</Id></xml>", "A&B"),
        (b"<?xml version='1.0' encoding='gb2312'?><xml><Id>7</Id></xml>", "7"),
        (b"<xml><Id><![CDATA[<!DOCTYPE html>]]></Id></xml>", "sha256"),
    ],
)
def test_an_element_is_found(body, found):
    assert place("Id", body).id.startswith(found if found != "sha256" else "")


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE xml><xml><Id>7</Id></xml>",
        b'<!DOCTYPE x [<!ENTITY a "7">]><xml><Id>&a;</Id></xml>',
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd"><xml><Id>7</Id></xml>',
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><Id>&a;</Id></xml>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x><xml><Id>7</Id></xml>'.encode("utf-16"),
        b"<xml><Id>&a;</Id></xml>",
        b"<xml><Id>7</Id><Id>8</Id></xml>",
        b"<xml><Id>7</Id>",
        b"<xml><Id>\xff</Id></xml>",
        b"<a>" * 65 + b"</a>" * 65,
        b"<a>" * 5000,
        b"",
        b"{}",
        b"<xml/><xml/>",
    ],
)
def test_xml_that_is_not_plain_is_rejected(body):
    with pytest.raises(MalformedBody):
        _ = place("Id", body).id


@pytest.mark.parametrize("body", [b"<xml/>", b"<xml><Id/></xml>", b"<xml><Id><b>7</b></Id></xml>", b"<Id>7</Id>"])
def test_an_absent_envelope_is_reported_as_missing(body):
    assert place("Id", body).lacks_id


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_rejected(body):
    from hookguard.bodies import read_xml

    with suppress(MalformedBody):
        read_xml(body)
