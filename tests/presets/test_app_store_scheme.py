import base64
import json
from hashlib import sha256

import pytest

pytest.importorskip("jwt", reason="the extra jwt is not installed")

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from scheme_keys import NOW, apple_chain, apple_signer, draft, keys

from hookguard import Delivery, Secret, Verifier, presets
from hookguard.errors import ConfigurationError, MalformedBody, MalformedSignature, MissingSignature, SignatureMismatch
from hookguard.schemes.jws import JwsKey

SCHEME = presets.APP_STORE.scheme
DATA = {"bundleId": "com.example.app", "environment": "Sandbox", "appAppleId": 1234}
PAYLOAD = {"notificationType": "DID_RENEW", "notificationUUID": "u-1", "data": DATA}


def receiver(**changed):
    fingerprint = apple_chain()[0][2].fingerprint(hashes.SHA256()).hex()
    fields = {"bundle_id": "com.example.app", "environment": "Sandbox", "root_fingerprint": fingerprint, **changed}
    return keys(SCHEME, Secret.of(**fields))


def signed(payload=PAYLOAD, **options):
    return SCHEME.sign(draft(json.dumps(payload).encode()), keys(SCHEME, apple_signer(**options)))


def token_with(**header):
    made, key = apple_chain()
    header = {"x5c": [base64.b64encode(each.public_bytes(Encoding.DER)).decode() for each in made], **header}
    payload = json.dumps({**PAYLOAD, "signedDate": int(NOW * 1000)}).encode()
    return Delivery(json.dumps({"signedPayload": JwsKey(key, "ES256").sign(header, payload)}).encode(), {})


def test_sign_verify_and_open():
    delivery = signed()
    assert SCHEME.verify(delivery, receiver()) == ("#1", NOW)
    fingerprint = apple_chain()[0][2].fingerprint(hashes.SHA256()).hex()
    secret = Secret.of(bundle_id="com.example.app", environment="Sandbox", root_fingerprint=fingerprint)
    event = Verifier(presets.APP_STORE, secret, clock=lambda: NOW).verify(delivery)
    assert (event.id, event.type, event.json()["data"]) == ("u-1", "DID_RENEW", DATA)
    again = SCHEME.sign(draft(delivery.body), keys(SCHEME, apple_signer()))
    assert SCHEME.verify(again, receiver())


def test_the_root_is_apples_unless_a_test_says_otherwise():
    with pytest.raises(SignatureMismatch, match="Apple Root CA"):
        SCHEME.verify(signed(), keys(SCHEME, Secret.of(bundle_id="com.example.app", environment="Sandbox")))
    # A root of one's own in the token counts for nothing.
    stranger = sha256(b"another root").hexdigest()
    with pytest.raises(SignatureMismatch, match="Apple Root CA"):
        SCHEME.verify(signed(), receiver(root_fingerprint=stranger))


@pytest.mark.parametrize(
    "options",
    [
        {"leaf_mark": "1.2.3"},
        {"middle_mark": "1.2.3"},
        {"authority": False},
        {"foreign": True},
        {"days": 0.01},
    ],
)
def test_chains_that_do_not_hold(options):
    delivery = signed(**options)
    fingerprint = apple_chain(**options)[0][2].fingerprint(hashes.SHA256()).hex()
    with pytest.raises(SignatureMismatch):
        SCHEME.verify(delivery, receiver(root_fingerprint=fingerprint))


def test_a_leaf_of_another_chain_under_the_right_root():
    made, _ = apple_chain()
    other, _ = apple_chain(days=2)
    for listed in ([other[0], made[1], made[2]], [made[0], other[1], made[2]], [made[1], made[1], made[2]]):
        header = {"x5c": [base64.b64encode(each.public_bytes(Encoding.DER)).decode() for each in listed]}
        with pytest.raises(SignatureMismatch):
            SCHEME.verify(token_with(**header), receiver())


def test_a_chain_of_ones_own_with_the_right_root_beside_it():
    # The root is public: anyone can put it behind a chain that it never issued.
    root = apple_chain()[0][2]
    made, key = apple_chain(days=2)
    header = {"x5c": [base64.b64encode(each.public_bytes(Encoding.DER)).decode() for each in (made[0], made[1], root)]}
    payload = json.dumps({**PAYLOAD, "signedDate": int(NOW * 1000)}).encode()
    delivery = Delivery(json.dumps({"signedPayload": JwsKey(key, "ES256").sign(header, payload)}).encode(), {})
    with pytest.raises(SignatureMismatch):
        SCHEME.verify(delivery, receiver())


def test_a_notification_of_another_app_is_rejected():
    for delivery in (
        signed({**PAYLOAD, "data": {**DATA, "bundleId": "com.attacker.app"}}),
        signed({**PAYLOAD, "data": {**DATA, "environment": "Production"}}),
        signed({"notificationUUID": "u", "summary": {"bundleId": "com.attacker.app", "environment": "Sandbox"}}),
        # The first part that is there counts, and no other.
        signed({**PAYLOAD, "data": {**DATA, "bundleId": "com.attacker.app"}, "summary": DATA}),
    ):
        with pytest.raises(SignatureMismatch, match="another app"):
            SCHEME.verify(delivery, receiver())
    token = {"externalPurchaseToken": {"bundleId": "com.example.app", "externalPurchaseId": "SANDBOX_1"}}
    assert SCHEME.verify(signed(token), receiver())
    real = signed({**PAYLOAD, "data": {**DATA, "environment": "Production"}})
    assert SCHEME.verify(real, receiver(environment="Production", app_apple_id="1234"))
    with pytest.raises(SignatureMismatch):
        SCHEME.verify(real, receiver(environment="Production", app_apple_id="4321"))


def test_payload_and_signature_count():
    body = signed().body
    head, payload, signature = json.loads(body)["signedPayload"].split(".")
    other = json.dumps({**PAYLOAD, "signedDate": int(NOW * 1000), "x": 1}).encode()
    forged = base64.urlsafe_b64encode(other).decode().rstrip("=")
    for text in (f"{head}.{forged}.{signature}", f"{head}.{payload}.{signature[:-8]}", f"{head}.{payload}.{'A' * 86}"):
        with pytest.raises((SignatureMismatch, MalformedSignature)):
            SCHEME.verify(Delivery(json.dumps({"signedPayload": text}).encode(), {}), receiver())


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"crit": ["b64"]},
        {"x5c": []},
        {"x5c": None},
        {"x5c": ["AA"]},
        {"x5c": ["!", "!", "!"]},
        {"x5c": [1, 2, 3]},
        {"x5c": ["AAAA", "AAAA", "AAAA"]},
    ],
)
def test_hostile_tokens_are_rejected(header):
    with pytest.raises((MalformedSignature, SignatureMismatch)):
        SCHEME.verify(token_with(**header), receiver())


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", MalformedBody),
        (b"{}", MissingSignature),
        (b"[]", MissingSignature),
        (b'{"signedPayload":1}', MissingSignature),
        (b'{"signedPayload":"x"}', MalformedSignature),
        (b'{"signedPayload":"a.b.c"}', MalformedSignature),
        ('{"signedPayload":"é.é.é"}'.encode(), MalformedSignature),
    ],
)
def test_a_body_without_a_notification_is_rejected(body, error):
    with pytest.raises(error):
        SCHEME.verify(Delivery(body, {}), receiver())


@pytest.mark.parametrize("moment", [None, True, "1", -1, 0, 10**16, 1.5])
def test_the_date_must_be_one(moment):
    _, key = apple_chain()
    made, _ = apple_chain()
    header = {"x5c": [base64.b64encode(each.public_bytes(Encoding.DER)).decode() for each in made]}
    token = JwsKey(key, "ES256").sign(header, json.dumps({**PAYLOAD, "signedDate": moment}).encode())
    with pytest.raises(MalformedSignature, match="signedDate"):
        SCHEME.verify(Delivery(json.dumps({"signedPayload": token}).encode(), {}), receiver())


def test_invalid_secrets_are_rejected():
    with pytest.raises(ConfigurationError, match="environment"):
        keys(SCHEME, Secret.of(bundle_id="com.example.app", environment="sandbox"))
    with pytest.raises(ConfigurationError, match="root_fingerprint"):
        receiver(root_fingerprint="00")
    with pytest.raises(ConfigurationError, match="certificates"):
        receiver(certificates="no PEM")
    with pytest.raises(ConfigurationError, match="only Apple"):
        SCHEME.sign(draft(b"{}"), receiver())
