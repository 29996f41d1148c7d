import base64
import json

import pytest

pytest.importorskip("jwt", reason="the extra jwt is not installed")

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from scheme_keys import NOW, ec_pair, keys

from hookguard import Delivery, Secret, Verifier, presets
from hookguard.errors import MalformedSignature, MissingSignature, SignatureMismatch, TimestampOutOfTolerance
from hookguard.schemes.jws import JwsKey
from hookguard.schemes.public_key import read_key

PRIVATE, PUBLIC = ec_pair()
SCHEME = presets.PLAID.scheme
ACCOUNT = {"client_id": "client", "secret": "an-api-secret"}
SIGNER = Secret.of(**ACCOUNT, private_key=PRIVATE, key_id="kid-1")
KEYS = keys(SCHEME, Secret.of(**ACCOUNT))
FOUND = JwsKey(read_key(PUBLIC), "ES256")
BODY = b'{\n  "item_id": "i",\n  "webhook_code": "DEFAULT_UPDATE",\n  "webhook_type": "TRANSACTIONS"\n}'
HEADER = "plaid-verification"


def signed(body=BODY, now=NOW):
    return presets.PLAID.sign(body, SIGNER, timestamp=now)


def answer(**changed):
    numbers = load_pem_public_key(PUBLIC.encode()).public_numbers()
    x, y = (base64.urlsafe_b64encode(n.to_bytes(32, "big")).decode().rstrip("=") for n in (numbers.x, numbers.y))
    jwk = {
        "alg": "ES256",
        "crv": "P-256",
        "kid": "kid-1",
        "kty": "EC",
        "use": "sig",
        "x": x,
        "y": y,
        "created_at": 1,
        "expired_at": None,
    }
    return json.dumps({"key": jwk | changed, "request_id": "r"}).encode()


def test_the_key_is_asked_for_with_the_account():
    wanted = SCHEME.wants(signed(), KEYS)
    assert wanted.url == "https://production.plaid.com/webhook_verification_key/get"
    assert json.loads(wanted.body) == {**ACCOUNT, "key_id": "kid-1"}
    assert wanted.absent == {400}
    found = wanted.read(answer(), NOW)["kid-1"]
    assert SCHEME.verify(signed(), KEYS, found) == ("#1", NOW)
    assert presets.PLAID_SANDBOX.scheme.wants(signed(), KEYS).url.startswith("https://sandbox.plaid.com/")
    assert "an-api-secret" not in repr(wanted)


def test_a_withdrawn_key_is_rejected():
    wanted = SCHEME.wants(signed(), KEYS)
    assert wanted.read(answer(expired_at=NOW - 1), NOW) == {}
    assert wanted.read(answer(expired_at="soon"), NOW) == {}
    assert set(wanted.read(answer(expired_at=NOW + 1), NOW)) == {"kid-1"}


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"{}", b'{"key":1}', answer(kid="kid-2"), answer(alg="HS256"), answer(crv="P-521"), answer(x="AA")]
)
def test_an_answer_that_holds_no_such_key_is_unknown_not_invalid(document):
    with pytest.raises(ValueError, match="."):
        SCHEME.wants(signed(), KEYS).read(document, NOW)


def test_another_body_another_key_and_an_old_token():
    delivery = signed()
    with pytest.raises(SignatureMismatch):
        SCHEME.verify(Delivery(BODY.replace(b"  ", b" "), delivery.headers), KEYS, FOUND)
    with pytest.raises(SignatureMismatch):
        SCHEME.verify(delivery, KEYS, JwsKey(read_key(ec_pair("other")[1]), "ES256"))
    with pytest.raises(TimestampOutOfTolerance):
        Verifier(presets.PLAID, Secret.of(**ACCOUNT), tolerance=300, clock=lambda: NOW + 301).verify(delivery, found=FOUND)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_the_token_does_not_choose_the_algorithm(algorithm):
    head = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": "kid-1"}).encode()).decode().rstrip("=")
    rest = signed().headers[HEADER].partition(".")[2]
    delivery = Delivery(BODY, {HEADER: f"{head}.{rest}"})
    with pytest.raises(MalformedSignature):
        SCHEME.wants(delivery, KEYS)
    with pytest.raises(SignatureMismatch):
        SCHEME.verify(delivery, KEYS, FOUND)
    with pytest.raises(MissingSignature):
        SCHEME.wants(Delivery(BODY, {}), KEYS)


def test_the_same_body_at_another_moment_is_another_event_and_another_signature_is_not():
    verifier = Verifier(presets.PLAID, Secret.of(**ACCOUNT), clock=lambda: NOW)
    first = verifier.verify(signed(), found=FOUND)
    # ECDSA takes a new random number each time, and from one signature (r, s) anyone can make (r, n - s).
    head, payload, signature = signed().headers[HEADER].split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    other = raw[:32] + (order - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    turned = f"{head}.{payload}.{base64.urlsafe_b64encode(other).decode().rstrip('=')}"
    again = verifier.verify(Delivery(BODY, {HEADER: turned}), found=FOUND)
    assert first.id == again.id
    assert verifier.verify(signed(now=NOW + 1), found=FOUND).id != first.id
