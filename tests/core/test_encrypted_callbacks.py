"""WeCom, DingTalk and Lark: what is signed and encrypted, their handshakes and answers."""

import base64
import hashlib
import json

import pytest
from example_secrets import public_side

from hookguard import ConfigurationError, Delivery, Endpoint, Guard, MemoryStore, Secret, Verifier, presets
from hookguard.errors import (
    MalformedBody,
    MalformedDelivery,
    MalformedSignature,
    MalformedTimestamp,
    MissingSignature,
    MissingTimestamp,
    Rejected,
    SignatureMismatch,
)
from hookguard.preset import make_keys
from hookguard.schemes.sorted_hash import sorted_hash

NOW = 1_700_000_000.0
XML = b"<xml><MsgType>text</MsgType><MsgId>4561255354251345929</MsgId></xml>"
SORTED = [(presets.WECOM, XML), (presets.DINGTALK, b'{"EventType":"user_add_org"}')]


def verifier(preset, secret=None):
    return Verifier(preset, secret or public_side(preset), clock=lambda: NOW)


def signed(preset, body, secret=None, url="/hooks?tenant=1"):
    return preset.sign(body, secret or public_side(preset), url=url, timestamp=NOW)


def keys(preset, secret=None):
    return make_keys(preset, secret or public_side(preset))


def with_query(delivery, **parameters):
    path, _, query = delivery.url.partition("?")
    pairs = dict(pair.split("=", 1) for pair in query.split("&"))
    pairs.update(parameters)
    return delivery._replace(url=f"{path}?{'&'.join(f'{name}={value}' for name, value in pairs.items() if value is not None)}")


@pytest.mark.parametrize(("preset", "body"), SORTED, ids=["wecom", "dingtalk"])
def test_a_sealed_and_signed_body_is_opened(preset, body):
    delivery = signed(preset, body)
    assert delivery.url.startswith("/hooks?tenant=1&msg_signature=")
    assert body not in delivery.body
    event = verifier(preset).verify(delivery)
    assert event.content == body
    assert event.timestamp == NOW
    assert event.type in ("text", "user_add_org")


@pytest.mark.parametrize(("preset", "body"), SORTED, ids=["wecom", "dingtalk"])
def test_each_of_the_four_counts(preset, body):
    delivery = signed(preset, body)
    other = signed(preset, body)
    for changed in (
        with_query(delivery, timestamp="1700000001" if preset is presets.WECOM else "1700000000001"),
        with_query(delivery, nonce="x"),
        with_query(delivery, msg_signature="0" * 40),
        delivery._replace(body=other.body),
    ):
        with pytest.raises(SignatureMismatch):
            verifier(preset).verify(changed)


@pytest.mark.parametrize(("preset", "body"), SORTED, ids=["wecom", "dingtalk"])
@pytest.mark.parametrize("change", [{"token": "b-token"}, {"aes_key": "Z" * 43}, {"corp_id": "ww1", "owner_key": "ding1"}])
def test_each_field_of_the_secret_counts(preset, body, change):
    names = preset.scheme.secret_fields
    usual = public_side(preset)
    fields = {name: change.get(name, usual.field(name)) for name in names}
    with pytest.raises((SignatureMismatch, MalformedBody)):
        verifier(preset, Secret.of(**fields)).verify(signed(preset, body))


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"msg_signature": None}, MissingSignature),
        ({"msg_signature": "A" * 40}, MalformedSignature),
        ({"msg_signature": "é"}, MalformedSignature),
        ({"timestamp": None}, MissingTimestamp),
        ({"timestamp": "soon"}, MalformedTimestamp),
        ({"nonce": None}, MalformedSignature),
        ({"nonce": "x" * 200}, MalformedSignature),
        ({"nonce": "%ff"}, MalformedDelivery),
        ({"nonce": "1&nonce=2"}, MalformedDelivery),
    ],
)
@pytest.mark.parametrize(("preset", "body"), SORTED, ids=["wecom", "dingtalk"])
def test_hostile_queries_are_rejected(preset, body, parameters, error):
    with pytest.raises(error):
        verifier(preset).verify(with_query(signed(preset, body), **parameters))


@pytest.mark.parametrize("preset", [presets.WECOM, presets.DINGTALK], ids=["wecom", "dingtalk"])
@pytest.mark.parametrize("text", ["", "%%%", "AAAA", "A" * 64, "A" * 10_000])
def test_a_signed_body_that_cannot_be_opened_is_rejected(preset, text):
    # Only a sender with the token gets as far as this.
    body = f"<xml><Encrypt>{text}</Encrypt></xml>".encode() if preset is presets.WECOM else json.dumps({"encrypt": text}).encode()
    stamp = "1700000000" if preset is presets.WECOM else "1700000000000"
    signature = sorted_hash("a-token", stamp, "n", text)
    delivery = Delivery(body, {}, "POST", f"/hooks?msg_signature={signature}&timestamp={stamp}&nonce=n")
    with pytest.raises((MalformedBody, MissingSignature)):
        verifier(preset).verify(delivery)


def echo(text, secret=None, **more):
    envelope = presets.WECOM.envelope.encrypt(text, secret or public_side(presets.WECOM))
    signature = sorted_hash("a-token", "1700000000", "n", envelope)
    quoted = envelope.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    delivery = Delivery(b"", {}, "GET", f"/hooks?msg_signature={signature}&timestamp=1700000000&nonce=n&echostr={quoted}")
    return with_query(delivery, **more) if more else delivery


def test_wecom_s_handshake_is_answered_in_plain_text():
    reply = presets.WECOM.challenge.unsigned(echo(b"1616140317555161061"), keys(presets.WECOM))
    assert (reply.status, reply.body) == (200, b"1616140317555161061")


def test_wecom_s_handshake_does_not_decrypt_a_message():
    with pytest.raises(MalformedDelivery, match="a token's form"):
        presets.WECOM.challenge.unsigned(echo(XML), keys(presets.WECOM))
    with pytest.raises(MalformedBody):
        presets.WECOM.challenge.unsigned(echo(b"\xff"), keys(presets.WECOM))


def test_wecom_s_handshake_needs_its_signature():
    with pytest.raises(SignatureMismatch):
        presets.WECOM.challenge.unsigned(echo(b"123", nonce="m"), keys(presets.WECOM))
    assert presets.WECOM.challenge.unsigned(Delivery(b"", {}, "GET", "/hooks"), keys(presets.WECOM)) is None
    assert presets.WECOM.challenge.unsigned(signed(presets.WECOM, XML), keys(presets.WECOM)) is None


def test_dingtalk_is_answered_with_the_encrypted_word():
    event = verifier(presets.DINGTALK).verify(signed(presets.DINGTALK, b'{"EventType":"check_url"}'))
    key = keys(presets.DINGTALK)[0]
    for reply in (presets.DINGTALK.challenge.signed(event, key), presets.DINGTALK.acknowledge(event, key)):
        answer = json.loads(reply.body)
        assert answer["msg_signature"] == sorted_hash("a-token", answer["timeStamp"], answer["nonce"], answer["encrypt"])
        assert presets.DINGTALK.envelope.decrypt(answer["encrypt"], public_side(presets.DINGTALK)) == b"success"
    other = verifier(presets.DINGTALK).verify(signed(presets.DINGTALK, b'{"EventType":"other"}'))
    assert presets.DINGTALK.challenge.signed(other, key) is None
    assert presets.DINGTALK.challenge.signed(verifier(presets.DINGTALK).verify(signed(presets.DINGTALK, b"x")), key) is None


def test_a_delivery_that_cannot_be_signed_raises():
    scheme, made = presets.DINGTALK.scheme, keys(presets.DINGTALK)
    from hookguard.schemes import Draft

    for body in (b"{}", b"x"):
        with pytest.raises(ConfigurationError):
            scheme.sign(Draft(body, {}), made)
    with pytest.raises(ConfigurationError, match="one secret"):
        scheme.sign(Draft(b'{"encrypt":"AAAA"}', {}), [*made, *made])


LARK_SECRET = Secret.of(encrypt_key="an-encrypt-key-of-lark", verification_token="a-verification-token")
LARK_EVENT = b'{"schema":"2.0","header":{"event_id":"e-1","event_type":"im.message","token":"a-verification-token"}}'


def test_lark_signs_the_encrypted_body():
    delivery = presets.LARK.sign(LARK_EVENT, LARK_SECRET, timestamp=NOW)
    stamp, nonce = delivery.headers["X-Lark-Request-Timestamp"], delivery.headers["X-Lark-Request-Nonce"]
    expected = hashlib.sha256(f"{stamp}{nonce}an-encrypt-key-of-lark".encode() + delivery.body).hexdigest()
    assert delivery.headers["X-Lark-Signature"] == expected
    event = verifier(presets.LARK, LARK_SECRET).verify(delivery)
    assert (event.id, event.type, event.content) == ("e-1", "im.message", LARK_EVENT)
    with pytest.raises(SignatureMismatch):
        verifier(presets.LARK, LARK_SECRET).verify(delivery._replace(body=delivery.body.replace(b"=", b"+")))


def handshake(document, secret=LARK_SECRET):
    from hookguard.schemes import Draft

    made = keys(presets.LARK, secret)
    return Delivery(presets.LARK.envelope.seal(Draft(json.dumps(document).encode(), {}), made[0]).body, {})


def test_lark_s_handshake_is_encrypted():
    asked = {"type": "url_verification", "challenge": "abc-1", "token": "a-verification-token"}
    made = keys(presets.LARK, LARK_SECRET)
    reply = presets.LARK.challenge.unsigned(handshake(asked), made)
    assert (reply.status, json.loads(reply.body)) == (200, {"challenge": "abc-1"})
    with pytest.raises(SignatureMismatch):
        presets.LARK.challenge.unsigned(handshake({**asked, "token": "another"}), made)
    with pytest.raises(MalformedDelivery):
        presets.LARK.challenge.unsigned(handshake({**asked, "challenge": "<b>"}), made)


def test_lark_s_handshake_is_not_decrypted_for_strangers():
    """Nothing vouches for the ciphertext but the token in it: without one to compare, our answers would decrypt anything."""
    asked = {"type": "url_verification", "challenge": "abc-1", "token": "a-verification-token"}
    key_alone = Secret.of(encrypt_key="an-encrypt-key-of-lark")
    for document in (asked, {**asked, "token": "x"}, {"type": "url_verification", "challenge": "abc-1"}):
        with pytest.raises(SignatureMismatch, match="no verification_token"):
            presets.LARK.challenge.unsigned(handshake(document, key_alone), keys(presets.LARK, key_alone))
    made = keys(presets.LARK, LARK_SECRET)
    for token in (None, 1, True, "", "a-verification-toke", "\ud800"):
        with pytest.raises(SignatureMismatch):
            presets.LARK.challenge.unsigned(handshake({**asked, "token": token}), made)


def test_a_changed_handshake_of_lark_reveals_nothing():
    asked = {"challenge": "b0ea4c3a-4b1e-4b9e-9b1e-0123456789ab", "token": "a-verification-token", "type": "url_verification"}
    sealed = json.loads(handshake(asked).body)["encrypt"]
    raw = base64.b64decode(sealed)
    guard = Guard(Endpoint(Verifier("lark", LARK_SECRET)), MemoryStore())
    honest = guard.open(Delivery(json.dumps({"encrypt": sealed}).encode(), {})).reply
    assert json.loads(honest.body) == {"challenge": asked["challenge"]}
    # Cut to begin at another block, as an attacker after the token would do; and one bit changed anywhere.
    cut = [raw[start:] for start in range(16, len(raw) - 16, 16)]
    flipped = [raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in range(len(raw))]
    for changed in (*cut, *flipped):
        reply = guard.open(Delivery(json.dumps({"encrypt": base64.b64encode(changed).decode()}).encode(), {})).reply
        assert b"verification" not in reply.body
        assert reply.status in (200, 400, 401)
        if reply.status == 200:
            # A bit of the challenge itself, in the first block: its plain text is known already.
            assert changed[16:] == raw[16:]


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'{"encrypt":""}', b'{"encrypt":"%"}', b'{"encrypt":"AAAA"}', json.dumps({"type": "url_verification"}).encode()],
)
def test_any_other_body_than_larks_handshake_is_left_to_the_signature(body):
    made = keys(presets.LARK, LARK_SECRET)
    assert presets.LARK.challenge.unsigned(Delivery(body, {}), made) is None
    assert presets.LARK.challenge.unsigned(handshake({"type": "other"}), made) is None
    with pytest.raises(Rejected):
        verifier(presets.LARK, LARK_SECRET).verify(Delivery(body, {}))


def test_lark_s_handshake_under_another_key_is_not_answered():
    forged = Secret.of(encrypt_key="a-key-of-someone-else")
    delivery = handshake({"type": "url_verification", "challenge": "abc"}, forged)
    assert presets.LARK.challenge.unsigned(delivery, keys(presets.LARK, LARK_SECRET)) is None


def test_lark_decrypts_as_its_own_package_does():
    # SHA-256 of the key; the first block is the initial vector; PKCS #7 to 16 bytes.
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    delivery = presets.LARK.sign(LARK_EVENT, LARK_SECRET, timestamp=NOW)
    data = base64.b64decode(json.loads(delivery.body)["encrypt"])
    key = hashlib.sha256(b"an-encrypt-key-of-lark").digest()
    work = Cipher(algorithms.AES(key), modes.CBC(data[:16])).decryptor()
    plain = work.update(data[16:]) + work.finalize()
    assert plain[: -plain[-1]] == LARK_EVENT
