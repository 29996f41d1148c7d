"""``hookguard explain --unknown``: the preset that fits, and a declaration that verifies the delivery as it is printed."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import replace

import pytest
from samples import usual_body

from hookguard import Delivery, Headers, HmacScheme, Verifier, presets
from hookguard.autopsy import judge
from hookguard.autopsy.judge import Bounds
from hookguard.autopsy.unknown import identify
from hookguard.autopsy.unknown.carried import signatures_of
from hookguard.presets import registry

#: The bounds of the command, with time for a busy machine.
UNKNOWN = replace(judge.UNKNOWN, seconds=120.0)

SECRET = "s3cret-of-the-unknown-sender-0042"
#: A secret in each format.
SECRETS = {
    "text": SECRET,
    "hex": "5f" * 4 + "a1b2c3d4e5f60718293a4b5c",
    "base64": base64.b64encode(b"a key of 24 random bytes").decode(),
    "whsec": "whsec_" + base64.b64encode(b"a key of 24 random bytes").decode(),
}
HMACS = [preset for preset in registry.loaded()[0] if isinstance(preset.scheme, HmacScheme)]
#: Presets whose signed text no declaration of HmacScheme describes, or that do not sign the body: only their name is found.
NAMED_ONLY = {"dingtalk-robot", "gitee", "lark", "worldpay"}
BODY = json.dumps({"id": "evt_77", "note": "naïve / & 5 €"}, ensure_ascii=False).encode()


def sample(preset):
    """A delivery as the provider signs it now."""
    body, headers = usual_body(preset)
    url = "https://shop.example/hooks/one?tenant=7"
    return preset.sign(body, SECRETS[preset.scheme.secret_format], type="thing.happened", url=url, headers=headers)


def declared(text):
    """The preset that a printed declaration makes."""
    names = {}
    exec(compile(text, "declaration", "exec"), names)
    return names["SENDER"]


def verifies(found, delivery, secret):
    preset = declared(found.recipe.declaration())
    Verifier(preset, secret, allow_stale=True).verify(delivery)
    altered = delivery._replace(body=delivery.body + b" ")
    with pytest.raises(Exception, match="does not match"):
        Verifier(preset, secret, allow_stale=True).verify(altered)
    return True


def mac(digest, *parts, secret=SECRET):
    return hmac.new(secret.encode(), b"".join(parts), digest)


@pytest.mark.parametrize("preset", HMACS, ids=lambda preset: preset.name)
def test_preset_is_named_and_a_declaration_verifies_its_delivery(preset):
    delivery, secret = sample(preset), SECRETS[preset.scheme.secret_format]
    found = identify(delivery, [secret], bounds=UNKNOWN)
    assert preset.name in found.presets
    assert not found.findings
    if preset.name not in NAMED_ONLY:
        Verifier(declared(found.recipe.declaration()), secret, allow_stale=True).verify(delivery)


def test_more_than_sixty_presets_are_declared():
    assert len([preset for preset in HMACS if preset.name not in NAMED_ONLY]) > 60


@pytest.mark.parametrize("name", ["github", "whatsapp", "bitbucket"])
def test_preset_whose_other_headers_came_is_named_first(name):
    preset = presets.get(name)
    more = {place.header: "id-1" for place in (preset.event_id, preset.event_type) if place is not None and place.header}
    found = identify(preset.sign(BODY, SECRET, headers=more), [SECRET], bounds=UNKNOWN)
    first = {"whatsapp": "messenger"}.get(name, name)  # Meta's three sign alike, and send the same headers
    assert found.presets[0] == first
    assert name in found.presets


def tower(now):
    """Words before a base64 signature; the time, a line break, the body and the request's id."""
    stamp = f"{now:.0f}"
    signature = base64.b64encode(mac("sha512", stamp.encode(), b"\n", BODY, b"\n", b"req-9").digest()).decode()
    headers = {"X-Tower-Sig": f"HMAC-SHA512 Signature={signature}", "X-Tower-Sent": stamp, "X-Tower-Request-Id": "req-9"}
    return Delivery(BODY, headers), {"signed": "{timestamp}\n{body}\n{id}", "digest": "sha512"}


def harbour(now):
    """A list with the time in milliseconds, and a version in front of the signed text."""
    stamp = f"{now * 1000:.0f}"
    signature = mac("sha256", b"v2|", BODY, b"|", stamp.encode()).hexdigest()
    return Delivery(BODY, {"Harbour-Auth": f"ver=2;ts={stamp};sig={signature}"}), {"unit": "ms", "separator": ";"}


def meadow(_):
    """Capital hex over method, URL and body."""
    signature = mac("sha1", b"PUThttps://shop.example/in", BODY).hexdigest().upper()
    return Delivery(BODY, {"X-Meadow": f"mac={signature}"}, "PUT", "https://shop.example/in"), {"layout": "mac={HEX}"}


def quarry(now):
    """An RFC 3339 date, a header with the event's type, and base64 for URLs."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    text = b"&".join((b"order.paid", stamp.encode(), BODY))
    signature = base64.urlsafe_b64encode(mac("sha384", text).digest()).decode()
    headers = {"Quarry-Hash": signature, "Quarry-Date": stamp, "Quarry-Topic": "order.paid"}
    return Delivery(BODY, headers), {"unit": "rfc3339", "id_header": "quarry-topic"}


def lantern(_):
    """A plain hash of the body and the secret."""
    return Delivery(BODY, {"X-Lantern-Checksum": hashlib.sha256(BODY + b":" + SECRET.encode()).hexdigest()}), {"hashed": True}


def pier(now):
    """Two signatures, as during a rotation of secrets: the second one is ours."""
    old, new = (
        mac("sha256", f"{now:.0f}.".encode(), BODY, secret=each).hexdigest() for each in ("an-older-secret-000000", SECRET)
    )
    return Delivery(BODY, {"Pier-Signature": f"t={now:.0f},v1={old},v1={new}"}), {"signed": "{timestamp}.{body}"}


@pytest.mark.parametrize("sender", [tower, harbour, meadow, quarry, lantern, pier], ids=lambda sender: sender.__name__)
def test_invented_sender_gets_a_declaration_that_verifies_it(sender):
    delivery, arguments = sender(time.time())
    found = identify(delivery, [SECRET], bounds=UNKNOWN)
    assert found.presets == ()
    assert {name: getattr(found.recipe, name) for name in arguments} == arguments
    assert verifies(found, delivery, SECRET)
    assert SECRET not in found.recipe.declaration()


@pytest.mark.parametrize("fmt", ["hex", "base64", "whsec"])
def test_secret_may_be_in_each_format(fmt):
    secret = SECRETS[fmt]
    key = bytes.fromhex(secret) if fmt == "hex" else base64.b64decode(secret.removeprefix("whsec_"))
    delivery = Delivery(BODY, {"X-Sender": hmac.new(key, BODY, "sha256").hexdigest()})
    found = identify(delivery, ["another-secret-000000000", secret], bounds=UNKNOWN)
    assert found.recipe.secret_format == fmt
    assert verifies(found, delivery, secret)


@pytest.mark.parametrize(
    ("headers", "form"), [({"X-Sender-Key": SECRET}, "plain"), ({"Authorization": f"Bearer {SECRET}"}, "bearer")]
)
def test_sender_of_the_secret_itself_is_declared_as_a_token(headers, form):
    delivery = Delivery(BODY, headers)
    found = identify(delivery, [SECRET], bounds=UNKNOWN)
    assert found.recipe.form == form
    Verifier(declared(found.recipe.declaration()), SECRET).verify(delivery)
    assert SECRET not in found.recipe.declaration()


def test_secret_in_front_of_the_signature_is_not_declared():
    secret = "a-secret-in-the-header-01"
    delivery = Delivery(BODY, {"X-Sender": f"{secret}:{mac('sha256', BODY, secret=secret).hexdigest()}"})
    found = identify(delivery, [secret], bounds=UNKNOWN)
    assert found.recipe is None or secret not in found.recipe.declaration()


def test_event_id_is_proposed_and_not_assumed():
    found = identify(lantern(0)[0], [SECRET], bounds=UNKNOWN)
    preset = declared(found.recipe.declaration())
    assert (preset.event_id, preset.identity) == (None, "content")
    assert 'for example InBody("id")' in found.recipe.declaration()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda delivery: delivery._replace(body=BODY + b"\n"), "body_whitespace_added"),
        (lambda delivery: delivery._replace(body=json.dumps(json.loads(BODY)).encode()), "body_reserialized"),
        (lambda delivery: delivery._replace(url="http://shop.example/in"), "url_scheme"),
    ],
)
def test_one_change_on_the_way_is_undone(change, code):
    signature = mac("sha256", b"https://shop.example/in" if code == "url_scheme" else b"", BODY).hexdigest()
    delivery = Delivery(BODY, {"X-Quay": signature}, "POST", "https://shop.example/in")
    found = identify(change(delivery), [SECRET], bounds=UNKNOWN)
    assert [each.code for each in found.findings] == [code]
    assert verifies(found, delivery, SECRET)


def test_secret_that_was_misread_is_found():
    delivery = Delivery(BODY, {"X-Quay": mac("sha256", BODY).hexdigest()})
    found = identify(delivery, [SECRET.replace("-", "%2D")], bounds=UNKNOWN)
    assert [each.code for each in found.findings] == ["secret_escaped"]
    assert verifies(found, delivery, SECRET)


def test_preset_is_named_with_the_cause_when_the_secret_is_wrong_in_one_thing():
    delivery = presets.STRIPE.sign(BODY, SECRET)
    found = identify(delivery, [f"whsec_{SECRET}"], bounds=UNKNOWN)
    assert (found.presets, [each.code for each in found.findings]) == (("stripe",), ["secret_prefix_added"])


def test_forgery_fits_nothing():
    for delivery in (presets.STRIPE.sign(BODY, "another-secret-000000000"), tower(time.time())[0]._replace(body=b"{}")):
        found = identify(delivery, [SECRET], bounds=UNKNOWN)
        assert (found.presets, found.recipe, found.finished) == ((), None, True)
        assert [each.code for each in found.findings] == ["no_match"]


def test_search_stops_at_its_bounds():
    found = identify(tower(time.time())[0]._replace(body=b"{}"), [SECRET], bounds=Bounds(calls=500, seconds=60.0))
    assert [each.code for each in found.findings] == ["unfinished"]
    assert not found.finished
    assert found.calls <= 501


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {f"x-{number}": "ab" * 32 for number in range(300)},
        {"x-sig": ",".join(["t=1"] * 300) + ",v1=" + "0" * 64},
        {"x-sig": "=" * 2000},
        {"x-sig": "\x00\xff" * 20},
        {"x-sig": "a:" * 500 + "b" * 64},
    ],
)
def test_strange_headers_end_the_search_quietly(headers):
    found = identify(Delivery(b"\xff{", headers, "POST", "http://[bad"), [SECRET], bounds=UNKNOWN)
    assert found.recipe is None


@pytest.mark.parametrize("words", ["", "sha256=", "v1,", "HMAC-SHA256 Signature=", "v1: ", "hmac sha256/"])
@pytest.mark.parametrize("first", range(0, 256, 4))
def test_a_signature_is_found_whatever_its_first_letter(words, first):
    raw = bytes([first]) + bytes(range(100, 131))
    found = signatures_of(Headers([("X-Tower-Signature", words + base64.b64encode(raw).decode())]))
    assert frozenset([raw]) in [each.signatures for each in found]
