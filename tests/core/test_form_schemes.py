"""Signatures over a URL and a form: Twilio, Plivo and Mandrill."""

import hashlib
from urllib.parse import urlencode

import pytest

from hookguard import ConfigurationError, Delivery, Endpoint, Guard, MemoryStore, Verifier, presets
from hookguard.errors import (
    MalformedBody,
    MalformedDelivery,
    MalformedSignature,
    MissingSignature,
    SignatureMismatch,
    SignatureRejected,
)
from hookguard.preset import make_keys
from hookguard.schemes.form import FormScheme

SECRET = "an-auth-token-of-32-characters!!"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
URL = "https://example.com/hooks?a=1"
BODY = b"To=%2B1800&From=%2B1415&Body=hello+there"
FORMS = [presets.TWILIO, presets.PLIVO, presets.MANDRILL]


def signed(preset, body=BODY, headers=FORM, url=URL, **more):
    return preset.sign(body, SECRET, url=url, headers=headers, id="nonce-1", **more)


def verify(preset, delivery):
    return preset.scheme.verify(delivery, make_keys(preset, SECRET))


def changed(delivery, **parts):
    headers = dict(delivery.headers.items())
    headers.update({name.lower(): value for name, value in parts.pop("headers", {}).items()})
    parts = {"body": delivery.body, "url": delivery.url, "method": delivery.method, **parts}
    return Delivery(parts["body"], headers, parts["method"], parts["url"])


@pytest.mark.parametrize("preset", FORMS, ids=lambda preset: preset.name)
def test_every_field_and_the_url_count(preset):
    delivery = signed(preset)
    assert verify(preset, delivery) == ("#1", None)
    for other in (
        changed(delivery, body=BODY + b"&Extra=1"),
        changed(delivery, body=BODY.replace(b"there", b"where")),
        changed(delivery, body=BODY.replace(b"From", b"From2")),
        changed(delivery, body=b""),
        changed(delivery, url=URL + "&b=2"),
        changed(delivery, url=URL.replace("hooks", "hook")),
    ):
        with pytest.raises((SignatureMismatch, MalformedSignature)):
            verify(preset, other)


@pytest.mark.parametrize("preset", FORMS, ids=lambda preset: preset.name)
def test_the_order_of_fields_does_not_count(preset):
    delivery = signed(preset)
    turned = changed(delivery, body=b"&".join(reversed(BODY.split(b"&"))))
    assert verify(preset, turned) == ("#1", None)


@pytest.mark.parametrize("preset", FORMS, ids=lambda preset: preset.name)
def test_another_body_is_not_taken_for_a_form(preset):
    delivery = signed(preset)
    with pytest.raises(MalformedSignature):
        verify(preset, changed(delivery, headers={"Content-Type": "application/json"}))
    with pytest.raises(MalformedSignature):
        verify(preset, changed(signed(preset, b""), body=b"{}", headers={"Content-Type": "application/json"}))


@pytest.mark.parametrize("preset", FORMS, ids=lambda preset: preset.name)
@pytest.mark.parametrize("body", [b"a=%ff", b"a=\xc3\xa9", b"a=%c3%a9", b"&".join([b"a=1"] * 1001), b"a=%e4%b8"])
def test_hostile_forms_are_rejected(preset, body):
    delivery = changed(signed(preset), body=body)
    with pytest.raises(MalformedBody):
        verify(preset, delivery)


@pytest.mark.parametrize("preset", FORMS, ids=lambda preset: preset.name)
@pytest.mark.parametrize("value", ["", "é", "%", " ", "A" * 8000, "\x00", "===="])
def test_hostile_signatures_are_rejected(preset, value):
    delivery = signed(preset)
    with pytest.raises((MissingSignature, MalformedSignature, MalformedDelivery, SignatureMismatch)):
        verify(preset, changed(delivery, headers={preset.scheme.header: value}))


@pytest.mark.parametrize(
    "url", ["", "/hooks", "https://[", "http://[::1", "https://user:pa:ss@host:99999999/x?", "\ud800", "://"]
)
@pytest.mark.parametrize("preset", FORMS, ids=lambda preset: preset.name)
def test_hostile_urls_are_rejected(preset, url):
    with pytest.raises((SignatureMismatch, MalformedDelivery)):
        verify(preset, changed(signed(preset), url=url))


@pytest.mark.parametrize("preset", FORMS, ids=lambda preset: preset.name)
def test_two_secrets_make_no_two_signatures(preset):
    with pytest.raises(ConfigurationError, match="one signature"):
        preset.sign(BODY, [SECRET, SECRET + "2"], url=URL, headers=FORM)


def test_an_unknown_digest():
    with pytest.raises(ConfigurationError, match="md5"):
        FormScheme("X-Signature", digest="md5")


def test_twilio_signs_the_hash_of_any_other_body():
    body = b'{"a": 1}'
    delivery = signed(presets.TWILIO, body, {"Content-Type": "application/json"})
    assert delivery.url == f"{URL}&bodySHA256={hashlib.sha256(body).hexdigest()}"
    assert verify(presets.TWILIO, delivery) == ("#1", None)
    with pytest.raises(SignatureMismatch, match="bodySHA256 does not match the body"):
        verify(presets.TWILIO, changed(delivery, body=b'{"a": 2}'))
    # The same URL without the hash, signed for an empty body: the body would be anyone's.
    with pytest.raises(MalformedSignature, match="nothing signs the body"):
        verify(presets.TWILIO, changed(signed(presets.TWILIO, b"", {}), body=body))


@pytest.mark.parametrize("body", [BODY, b'{"a": 1}', b""])
@pytest.mark.parametrize(
    "configured",
    [
        "https://hooks:s3cret@example.com/hooks",
        "https://hooks:s3cret@example.com:443/hooks#rc=2&rp=all",
        "https://hooks@example.com/hooks#",
        "https://example.com/hooks#rc=2",
    ],
)
def test_twilio_signs_no_user_no_password_and_no_fragment(configured, body):
    headers = FORM if body == BODY else {"Content-Type": "application/json"}
    delivery = signed(presets.TWILIO, body, headers, "https://example.com/hooks")
    query = delivery.url.partition("?")[2]
    endpoint = Endpoint(Verifier("twilio", SECRET), public_url=configured)
    received = delivery._replace(url=endpoint.url(f"/hooks?{query}" if query else "/hooks"))
    assert Guard(endpoint, MemoryStore()).open(received).reply is None
    forged = received._replace(url=received.url.replace("example.com", "example.net"))
    with pytest.raises(SignatureMismatch):
        verify(presets.TWILIO, forged)


def test_a_fragment_does_not_make_a_field_s_text_the_hash_of_another_body():
    evil = b'{"a": 2}'
    text = f"?bodySHA256={hashlib.sha256(evil).hexdigest()}#"
    delivery = signed(presets.TWILIO, urlencode({"Body": text, "To": "+1800"}).encode())
    moved = changed(delivery, url=f"{URL}Body{text}To+1800", body=evil)._replace(
        headers={"x-twilio-signature": delivery.headers["x-twilio-signature"], "content-type": "application/json"}
    )
    with pytest.raises(SignatureRejected):
        verify(presets.TWILIO, moved)


def test_twilio_with_a_shared_key():
    settings = {**FORM, "X-Twilio-Webhooks-Signature-Settings": "key=k1,algorithm=HMAC_SHA256"}
    delivery = signed(presets.TWILIO, headers=settings)
    assert len(delivery.headers["X-Twilio-Signature"]) == 44
    assert verify(presets.TWILIO, delivery) == ("#1", None)
    for other in ("", "key=k1", "algorithm=HMAC_SHA1", "algorithm=NONE", "algorithm=HMAC_SHA512"):
        with pytest.raises((SignatureMismatch, MalformedSignature)):
            verify(presets.TWILIO, changed(delivery, headers={"X-Twilio-Webhooks-Signature-Settings": other}))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("https://example.com/x", "https://example.com:443/x"),
        ("http://example.com/x?q=:1", "http://example.com:80/x?q=:1"),
        ("https://example.com:8443/x", "https://example.com/x"),
        ("https://user:pw@example.com/x", "https://user:pw@example.com:443/x"),
        ("https://user:pw@example.com:443/x", "https://user:pw@example.com/x"),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]:443/x"),
    ],
)
def test_twilio_adds_and_leaves_out_ports(ours, theirs):
    assert verify(presets.TWILIO, changed(signed(presets.TWILIO, url=theirs), url=ours)) == ("#1", None)


@pytest.mark.parametrize("theirs", ["https://example.com:8080/x", "http://example.com/x", "https://example.org/x"])
def test_another_port_scheme_or_host_is_rejected(theirs):
    with pytest.raises(SignatureMismatch):
        verify(presets.TWILIO, changed(signed(presets.TWILIO, url=theirs), url="https://example.com/x"))


def test_plivo_signs_its_nonce_and_may_list_signatures():
    delivery = signed(presets.PLIVO)
    assert delivery.headers["X-Plivo-Signature-V3-Nonce"] == "nonce-1"
    value = delivery.headers["X-Plivo-Signature-V3"]
    assert verify(presets.PLIVO, changed(delivery, headers={"X-Plivo-Signature-V3": f"AAAA,{value}"})) == ("#1", None)
    for nonce in ("nonce-2", "", "a.b", "é"):
        with pytest.raises((SignatureMismatch, MissingSignature)):
            verify(presets.PLIVO, changed(delivery, headers={"X-Plivo-Signature-V3-Nonce": nonce}))
    with pytest.raises(MalformedDelivery, match="17 signatures"):
        verify(presets.PLIVO, changed(delivery, headers={"X-Plivo-Signature-V3": ",".join(["AAAA"] * 17)}))


def test_mandrill_puts_json_into_its_field():
    delivery = signed(presets.MANDRILL, b'[{"event":"send"}]', {"Content-Type": "application/json"})
    assert delivery.body == b"mandrill_events=%5B%7B%22event%22%3A%22send%22%7D%5D"
    assert verify(presets.MANDRILL, delivery) == ("#1", None)


@pytest.mark.parametrize("after", ["&z=", "#", "#z", "\n"])
def test_twilio_s_hash_is_the_url_s_last_word(after):
    """A form's field that spells bodySHA256, moved into the URL, would let its writer choose the body."""
    evil = b'{"EventType": "paid"}'
    form = {"AccountSid": "AC1", "Body": f"&bodySHA256={hashlib.sha256(evil).hexdigest()}{after}", "From": "+1", "To": "+2"}
    honest = signed(presets.TWILIO, urlencode(form).encode(), url=f"{URL}?tenant=7")
    verify(presets.TWILIO, honest)
    url = honest.url + "".join(name + value for name, value in sorted(form.items()))
    headers = {"X-Twilio-Signature": honest.headers["x-twilio-signature"], "Content-Type": "application/json"}
    with pytest.raises(SignatureRejected):
        verify(presets.TWILIO, Delivery(evil, headers, "POST", url))


@pytest.mark.parametrize(("body", "kind"), [(b"", "application/json"), (b"&&", "application/x-www-form-urlencoded")])
def test_twilio_s_hashed_body_cannot_be_emptied(body, kind):
    honest = signed(presets.TWILIO, b'{"a": 1}', {"Content-Type": "application/json"})
    headers = {**dict(honest.headers.items()), "content-type": kind}
    with pytest.raises(SignatureRejected):
        verify(presets.TWILIO, Delivery(body, headers, "POST", honest.url))


def test_a_url_in_which_the_parser_drops_a_character():
    honest = signed(presets.TWILIO)
    with pytest.raises(SignatureRejected):
        verify(presets.TWILIO, changed(honest, url="https://a\tb/hook"))


@pytest.mark.parametrize(
    ("query", "other"),
    [
        ("a=1&b=2", "a=1%26b%3D2"),
        ("a=1&b=", "a=1%26b="),
        ("a=b%3Dc", "a%3Db=c"),
        ("a=1", "a=1#&b=2"),
        ("a=1", "a=1#"),
        ("a=1", "a=1\n"),
        ("a=1", "\ta=1"),
    ],
)
def test_plivo_s_query_is_not_read_two_ways(query, other):
    """It is signed decoded, and what the parser drops is not signed at all."""
    honest = signed(presets.PLIVO, url=f"https://example.com/h?{query}")
    assert verify(presets.PLIVO, honest) == ("#1", None)
    with pytest.raises(MalformedDelivery, match="more than one way"):
        verify(presets.PLIVO, changed(honest, url=f"https://example.com/h?{other}"))


def test_plivo_signs_what_can_be_read_one_way_only():
    with pytest.raises(ConfigurationError, match="more than one way"):
        signed(presets.PLIVO, url="https://example.com/h?next=%2Fa%3Fb%3D1%26c%3D2")
    padded = signed(presets.PLIVO, url="https://example.com/h?token=abc%3D%3D&next=%2Fa%3Fb%3D1")
    assert verify(presets.PLIVO, padded) == ("#1", None)
