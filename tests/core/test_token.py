import base64
import hashlib
import json

import pytest

from hookguard import (
    ConfigurationError,
    Delivery,
    InBody,
    InForm,
    InHeader,
    InQuery,
    Preset,
    Secret,
    SignatureHeader,
    TokenScheme,
    Verifier,
)
from hookguard.errors import MalformedBody, MalformedDelivery, MalformedSignature, MissingSignature, SignatureMismatch
from hookguard.schemes import HashScheme, InEvery

TOKEN = "a-token-that-is-long-enough"
OTHER = "another-token-of-some-length"
BODY = b'{"id": "1"}'


def verifier(scheme, *tokens):
    preset = Preset(name="x", scheme=scheme, event_id=None, identity="content")
    return Verifier(preset, tokens or (TOKEN,))


def sign(scheme, token=TOKEN, body=BODY, **more):
    return Preset(name="x", scheme=scheme, event_id=None, identity="content").sign(body, token, **more)


GRAPH = b'{"value": [{"clientState": "?", "n": 1}, {"n": 2}]}'

PLACES = [
    (TokenScheme(token=InHeader("X-Token")), BODY, {}),
    (TokenScheme(form="bearer"), BODY, {}),
    (TokenScheme(token=InHeader("X-Auth"), form="bearer"), BODY, {}),
    (TokenScheme(token=InQuery("token")), BODY, {"url": "https://example.com/hook?x=1"}),
    (TokenScheme(token=InBody("passcode")), BODY, {}),
    (TokenScheme(token=InBody("auth.passcode")), BODY, {}),
    (TokenScheme(token=InForm("token")), b"a=1&token=old", {"headers": {"content-type": "application/x-www-form-urlencoded"}}),
    (TokenScheme(token=InEvery("value", "clientState")), GRAPH, {}),
    (TokenScheme(token=InEvery("", "state")), b'[{"n": 1}, {"n": 2}]', {}),
]


@pytest.mark.parametrize(("scheme", "body", "more"), PLACES)
def test_wherever_it_comes_it_is_compared(scheme, body, more):
    signed = sign(scheme, body=body, **more)
    event = verifier(scheme, OTHER, TOKEN).verify(signed)
    assert (event.secret, event.timestamp, event.covers) == ("#2", None, frozenset())
    with pytest.raises(SignatureMismatch):
        verifier(scheme, OTHER).verify(signed)
    with pytest.raises(SignatureMismatch):
        verifier(scheme).verify(sign(scheme, TOKEN + "x", body=body, **more))
    again = sign(scheme, body=signed.body, url=signed.url, headers=more.get("headers"))
    assert (again.body, again.url) == (signed.body, signed.url), "signing twice changes nothing"
    with pytest.raises(MissingSignature):
        verifier(scheme).verify(
            Delivery(body.replace(b"token=old", b"b=2"), more.get("headers", {}), "POST", more.get("url", ""))
        )
    with pytest.raises(ConfigurationError, match="one token"):
        sign(scheme, [TOKEN, OTHER], body=body, **more)


def test_a_token_may_come_by_basic_authentication():
    scheme = TokenScheme(form="basic")
    secret = "user:a-password-of-some-length"
    encoded = base64.b64encode(secret.encode()).decode()
    assert sign(scheme, secret).headers["authorization"] == f"Basic {encoded}"
    for value in (f"Basic {encoded}", f"basic {encoded}", f"BASIC  {encoded}"):
        assert verifier(scheme, secret).verify(Delivery(BODY, {"Authorization": value})).secret == "#1"
    for value in (f"Basic {encoded[:-1]}", f"Basic {encoded}=", "Basic !!!", f"Basic {base64.b64encode(b'user:x').decode()}"):
        with pytest.raises(SignatureMismatch):
            verifier(scheme, secret).verify(Delivery(BODY, {"Authorization": value}))
    for value in (f"Bearer {encoded}", encoded):
        with pytest.raises(MalformedSignature):
            verifier(scheme, secret).verify(Delivery(BODY, {"Authorization": value}))
    with pytest.raises(MissingSignature):
        verifier(scheme, secret).verify(Delivery(BODY, {"Authorization": "Basic"}))
    with pytest.raises(ConfigurationError, match="user:password"):
        verifier(scheme, "a-password-without-a-user")


def test_every_member_must_carry_one_of_the_tokens():
    scheme = TokenScheme(token=InEvery("value", "clientState"))

    def delivery(*tokens):
        return Delivery(json.dumps({"value": [{"clientState": token} for token in tokens]}).encode(), {})

    assert verifier(scheme, TOKEN, OTHER).verify(delivery(OTHER, TOKEN)).secret == "#2"
    for tokens in ((TOKEN, "x"), ("x", TOKEN), (TOKEN, OTHER)):
        with pytest.raises(SignatureMismatch):
            verifier(scheme).verify(delivery(*tokens))
    for tokens in ((), (TOKEN, None), (TOKEN, ""), (TOKEN, 1), (TOKEN, [TOKEN])):
        with pytest.raises(MissingSignature):
            verifier(scheme).verify(delivery(*tokens))
    for body in (b"[]", b'{"value": {}}', b'{"value": ["x"]}', b"1", b"null", b'{"value": [{"clientState": "a"}, 1]}'):
        with pytest.raises(MissingSignature):
            verifier(scheme).verify(Delivery(body, {}))
    with pytest.raises(MalformedBody):
        verifier(scheme).verify(Delivery(b"{", {}))
    with pytest.raises(MalformedSignature, match="10001 members"):
        verifier(scheme).verify(Delivery(b'{"value": [' + b"1," * 10_000 + b"1]}", {}))
    with pytest.raises(ConfigurationError, match="holds no list"):
        sign(scheme, body=b'{"value": []}')


def test_a_token_in_the_query_comes_once():
    scheme = TokenScheme(token=InQuery("token"))
    with pytest.raises(MalformedDelivery):
        verifier(scheme).verify(Delivery(BODY, {}, "POST", f"/hook?token={TOKEN}&token={TOKEN}"))
    assert sign(scheme, "a/token&with=signs+in", url="/hook").url == "/hook?token=a%2Ftoken%26with%3Dsigns%2Bin"
    assert verifier(scheme, "a/token&with=signs+in").verify(
        Delivery(BODY, {}, "POST", "/hook?token=a%2Ftoken%26with%3Dsigns%2Bin")
    )


def test_a_token_in_a_body_that_cannot_hold_it():
    for body in (b"[1]", b"{", b'"x"', b'{"auth": 1}'):
        with pytest.raises(ConfigurationError):
            sign(TokenScheme(token=InBody("auth.passcode")), body=body)


@pytest.mark.parametrize("wrong", [{"form": "digest"}, {"token": InQuery("x"), "form": "basic"}])
def test_forms_that_do_not_fit(wrong):
    with pytest.raises(ConfigurationError, match="form"):
        TokenScheme(**wrong)


# --- a hash with the secret among what is hashed ---


def test_a_plain_hash():
    scheme = HashScheme(signature=SignatureHeader("X-Sig", "{hex}"), signed="{secret}{method}{url}{body}")
    url = "https://example.com/hook"
    expected = hashlib.sha256(TOKEN.encode() + b"POST" + url.encode() + BODY).hexdigest()
    assert sign(scheme, url=url).headers["x-sig"] == expected
    delivery = Delivery(BODY, {"X-Sig": expected}, "POST", url)
    assert verifier(scheme, OTHER, TOKEN).verify(delivery).secret == "#2"
    for changed in (delivery._replace(body=BODY + b" "), delivery._replace(url=url + "?"), delivery._replace(method="PUT")):
        with pytest.raises(SignatureMismatch):
            verifier(scheme).verify(changed)
    with pytest.raises(SignatureMismatch):
        verifier(scheme, OTHER).verify(delivery)


def test_a_plain_hash_needs_the_secret_in_it():
    with pytest.raises(ConfigurationError, match="without {secret}"):
        HashScheme(signature=SignatureHeader("X-Sig", "{hex}"), signed="{body}")
    scheme = HashScheme(signature=SignatureHeader("X-Sig", "{hex}"), signed="{secret}{body}", digest="sha1")
    assert sign(scheme).headers["x-sig"] == hashlib.sha1(TOKEN.encode() + BODY).hexdigest()
    with pytest.raises(ConfigurationError, match="must be text"):
        verifier(scheme, b"\xff\xfe" * 16)


@pytest.mark.parametrize("place", [InBody("token"), InForm("token"), InEvery("", "token")])
def test_an_undecodable_token_cannot_be_put_into_a_body(place):
    preset = Preset(name="x", scheme=TokenScheme(token=place), event_id=None, identity="content")
    with pytest.raises(ConfigurationError, match="the token is not UTF-8"):
        preset.sign(b"[{}]" if isinstance(place, InEvery) else b"{}", Secret.exact(b"\xff-a-token-that-is-no-text"))
