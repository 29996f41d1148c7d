import base64
import json

import pytest

pytest.importorskip("cryptography", reason="the extra crypto is not installed")

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from scheme_keys import NOW, draft, ec_pair, keys

from hookguard import Delivery, Endpoint, Secret, Verifier, presets
from hookguard.errors import (
    ConfigurationError,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
    UntrustedKeySource,
)
from hookguard.schemes.jws import JwsKey
from hookguard.schemes.public_key import read_key

SCHEME = presets.TRUELAYER.scheme
PRIVATE, PUBLIC = ec_pair(curve="p521")
FOUND = JwsKey(read_key(PUBLIC), "ES512")
KEYS = keys(SCHEME, "sandbox")
SIGNER = keys(SCHEME, Secret.of(environment="sandbox", private_key=PRIVATE))
URL = "/hooks/truelayer?x=1"
BODY = b'{"event_id":"e-1","type":"payment_executed"}'
JKU = "https://webhooks.truelayer-sandbox.com/.well-known/jwks"


def signed():
    return SCHEME.sign(draft(BODY, url=URL), SIGNER)


def changed(body=BODY, method="POST", url=URL, **headers):
    kept = dict(signed().headers.items()) | {name.replace("_", "-"): value for name, value in headers.items()}
    return Delivery(body, {name: value for name, value in kept.items() if value is not None}, method, url)


def token(**header):
    header = {"alg": "ES512", "kid": "k", "tl_version": "2", "tl_headers": "X-Tl-Webhook-Timestamp", "jku": JKU, **header}
    stamp = signed().headers["x-tl-webhook-timestamp"]
    payload = f"POST /hooks/truelayer\nX-Tl-Webhook-Timestamp: {stamp}\n".encode() + BODY
    head, _, signature = JwsKey(read_key(PRIVATE), "ES512").sign({"typ": None, **header}, payload).split(".")
    return f"{head}..{signature}"


def jwk():
    numbers = load_pem_public_key(PUBLIC.encode()).public_numbers()
    # Without leading zeros, as TrueLayer writes them at times.
    x, y = (base64.urlsafe_b64encode(n.to_bytes(66, "big").lstrip(b"\0")).decode().rstrip("=") for n in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-521", "kid": "#1", "x": x, "y": y}


def test_sign_fetch_and_verify():
    wanted = SCHEME.wants(signed(), KEYS)
    assert (wanted.url, wanted.id) == (JKU, "#1")
    document = {"keys": [{"kty": "RSA", "kid": "other", "n": "", "e": ""}, jwk()]}
    found = wanted.read(json.dumps(document).encode(), NOW)
    assert set(found) == {"#1"}
    assert SCHEME.verify(signed(), KEYS, found["#1"]) == ("#1", NOW)
    assert SCHEME.verify(changed(url="/hooks/truelayer/"), KEYS, FOUND)


@pytest.mark.parametrize(
    "delivery",
    [
        changed(body=BODY + b" "),
        changed(method="PUT"),
        changed(url="/hooks/other"),
        changed(x_tl_webhook_timestamp="2023-11-14T22:13:21Z"),
    ],
)
def test_each_signed_part_counts(delivery):
    with pytest.raises(SignatureMismatch):
        SCHEME.verify(delivery, KEYS, FOUND)


@pytest.mark.parametrize(
    "jku",
    [None, 1, [], {}, "https://attacker.example/.well-known/jwks", JKU + "?x", "https://webhooks.truelayer.com/.well-known/jwks"],
)
def test_keys_come_from_the_configured_environment_only(jku):
    delivery = changed(tl_signature=token(jku=jku))
    with pytest.raises(UntrustedKeySource):
        SCHEME.wants(delivery, KEYS)
    with pytest.raises(UntrustedKeySource):
        SCHEME.verify(delivery, KEYS, FOUND)


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ({"alg": "none"}, MalformedSignature),
        ({"alg": "HS512"}, MalformedSignature),
        ({"alg": "ES256"}, MalformedSignature),
        ({"crit": ["exp"]}, MalformedSignature),
        ({"tl_version": "1"}, MalformedSignature),
        ({"tl_headers": 1}, MissingTimestamp),
        ({"tl_headers": ""}, MissingTimestamp),
        ({"tl_headers": "X-Tl-Webhook-Timestamp,X-Missing"}, MalformedSignature),
        ({"tl_headers": "X-Tl-Webhook-Timestamp,a b"}, MalformedSignature),
        ({"tl_headers": "X-Other"}, MissingTimestamp),
    ],
)
def test_hostile_tokens_are_rejected(header, error):
    with pytest.raises(error):
        SCHEME.verify(changed(tl_signature=token(**header)), KEYS, FOUND)


@pytest.mark.parametrize("text", ["x", "a.b", "a.b.c", "..", "é..é", "e30..AA", "a..b.c"])
def test_an_invalid_token_is_rejected(text):
    for check in (lambda each: SCHEME.wants(each, KEYS), lambda each: SCHEME.verify(each, KEYS, FOUND)):
        with pytest.raises(MalformedSignature):
            check(changed(tl_signature=text))


def test_a_key_id_must_be_there():
    for kid in (None, "", 1, "k" * 129):
        with pytest.raises(MalformedSignature):
            SCHEME.wants(changed(tl_signature=token(kid=kid)), KEYS)


def test_none_no_key_and_another_key():
    with pytest.raises(MissingSignature):
        SCHEME.verify(changed(tl_signature=None), KEYS, FOUND)
    with pytest.raises(UntrustedKeySource):
        SCHEME.verify(signed(), KEYS)
    with pytest.raises(SignatureMismatch):
        SCHEME.verify(signed(), KEYS, JwsKey(read_key(ec_pair("other", "p521")[1]), "ES512"))
    with pytest.raises(ConfigurationError, match="environment"):
        keys(SCHEME, "live")
    with pytest.raises(ConfigurationError, match="private_key"):
        SCHEME.sign(draft(BODY), KEYS)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":1}',
    ],
)
def test_a_document_that_holds_no_keys_is_unknown_not_invalid(document):
    wanted = SCHEME.wants(signed(), KEYS)
    with pytest.raises(ValueError, match="."):
        wanted.read(document, NOW)


def test_a_url_that_cannot_be_read():
    with pytest.raises(MalformedSignature, match="URL"):
        SCHEME.verify(changed(url="/hooks/true layer"), KEYS, FOUND)


def test_the_query_is_not_signed_and_nothing_says_it_is():
    assert SCHEME.verify(changed(url=URL + "&admin=1"), KEYS, FOUND)
    assert SCHEME.covers == {"body", "method", "path", "x-tl-webhook-timestamp"}
    # The path is the delivery's own: nobody is asked for a URL of which only that counts.
    assert Endpoint(Verifier(presets.TRUELAYER, "sandbox")).url(URL) == URL
