"""Where the signature covers a form's fields and not its bytes, a captured delivery can be rewritten; it stays the same event."""

import pytest
from example_secrets import private_side, public_side

from hookguard import Delivery, Endpoint, Guard, MemoryStore, Verifier, presets

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
URL = "https://example.com/hooks?tenant=7"


def reordered(body):
    return b"&".join(reversed(body.split(b"&")))


def escaped(body):
    return body.replace(b"hello", b"hell%6F")


def with_an_empty_end(body):
    return body + b"&"


def moved_into_the_query(delivery):
    """The first sorted field's text at the end of the URL: both are signed one after the other."""
    first, *rest = sorted(delivery.body.split(b"&"))
    return delivery._replace(body=b"&".join(rest), url=delivery.url + first.replace(b"=", b"").decode())


def run(guard, delivery):
    receipt = guard.open(delivery)
    if receipt.reply is not None:
        return receipt.reply.status
    guard.settle(receipt, status=200)
    return "ran"


def captured(preset, body=b"MessageSid=SM1&Body=hello&From=%2B1&app_id=2&notify_time=2026-11-25+00%3A00%3A00"):
    options = {"public_url": URL} if "url" in preset.scheme.covers else {}
    verifier = Verifier(
        preset, public_side(preset), **({"tolerance": None, "allow_stale": True} if preset.scheme.signs_timestamp else {})
    )
    guard = Guard(Endpoint(verifier, identity="content", **options), MemoryStore())
    return guard, preset.sign(body, private_side(preset), url=URL, headers=FORM, id="nonce-1")


@pytest.mark.parametrize("name", ["twilio", "plivo", "mandrill", "alipay", "paytm"])
def test_a_rewritten_form_is_a_duplicate(name):
    if name in ("alipay", "paytm"):
        pytest.importorskip("cryptography")
    preset = presets.get(name)
    # Mandrill's form is one field.
    body = b"mandrill_events=%5B%7B%22hello%22%3A1%7D%5D" if name == "mandrill" else None
    guard, delivery = captured(preset, *([body] if body else []))
    assert run(guard, delivery) == "ran"
    for change in (escaped, with_an_empty_end, *([] if body else [reordered])):
        again = delivery._replace(body=change(delivery.body))
        assert again.body != delivery.body
        assert run(guard, again) == 200, change.__name__


def test_a_field_moved_from_twilios_form_into_the_query_is_a_duplicate():
    guard, delivery = captured(presets.TWILIO)
    assert run(guard, delivery) == "ran"
    assert run(guard, moved_into_the_query(delivery)) == 200


def test_twilios_field_that_comes_twice_is_signed_once_and_runs_once():
    guard, delivery = captured(presets.TWILIO)
    assert run(guard, delivery) == "ran"
    assert run(guard, delivery._replace(body=delivery.body + b"&Body=hello")) == 200


def test_twilios_other_bodies_stay_other_events():
    guard, _ = captured(presets.TWILIO)
    for body in (b'{"a":1}', b'{"a":2}'):
        sent = presets.TWILIO.sign(body, private_side(presets.TWILIO), url=URL, headers={"Content-Type": "application/json"})
        assert isinstance(sent, Delivery)
        assert run(guard, sent) == "ran"
        assert run(guard, sent) == 200


def test_the_presets_own_identity_holds_too():
    verifier = Verifier("twilio", private_side(presets.TWILIO))
    guard = Guard(Endpoint(verifier, public_url=URL), MemoryStore())
    delivery = presets.TWILIO.sign(b"A=1&B=hello", private_side(presets.TWILIO), url=URL, headers=FORM)
    assert run(guard, delivery) == "ran"
    assert run(guard, delivery._replace(body=reordered(delivery.body))) == 200


def test_a_port_that_twilio_leaves_out_makes_no_other_event():
    guard = Guard(Endpoint(Verifier("twilio", private_side(presets.TWILIO)), public_url=URL, identity="content"), MemoryStore())
    delivery = presets.TWILIO.sign(b"A=1&B=hello", private_side(presets.TWILIO), url=URL, headers=FORM)
    assert run(guard, delivery) == "ran"
    for port in (":443", ":8443"):
        assert run(guard, delivery._replace(url=URL.replace("example.com", f"example.com{port}"))) == 200
