"""Honest deliveries all pass; whatever is changed in what the signature covers is rejected."""

import base64
import json

from hypothesis import given
from hypothesis import strategies as st
from shapes import SIGNED

from hookguard import Delivery, Secret, Verifier, errors, presets
from hookguard.testing import FrozenClock

NAMES = SIGNED
NOW = 1_700_000_000
KEYS = st.binary(min_size=16, max_size=80).filter(lambda key: len(set(key)) > 1 and not key.endswith(b"\0"))
IDS = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"), min_size=1, max_size=40)


def genuine(name, body, key, event_id, timestamp=NOW):
    delivery = presets.get(name).sign(body, Secret.exact(key), id=event_id, type="t", timestamp=timestamp)
    return delivery, Verifier(name, Secret.exact(key), clock=FrozenClock(NOW))


@given(name=st.sampled_from(NAMES), body=st.binary(max_size=2000), key=KEYS, event_id=IDS, off=st.integers(-300, 300))
def test_a_signed_delivery_verifies(name, body, key, event_id, off):
    delivery, verifier = genuine(name, body, key, event_id, NOW + off)
    event = verifier.verify(delivery)
    assert event.body == body
    assert event.timestamp == (NOW + off if verifier.preset.scheme.signs_timestamp else None)


@given(name=st.sampled_from(NAMES), body=st.binary(min_size=1, max_size=300), key=KEYS, event_id=IDS, data=st.data())
def test_a_flipped_bit_of_the_body_does_not_verify(name, body, key, event_id, data):
    delivery, verifier = genuine(name, body, key, event_id)
    bit = data.draw(st.integers(0, len(body) * 8 - 1))
    flipped = bytearray(body)
    flipped[bit // 8] ^= 1 << bit % 8
    try:
        verifier.verify(delivery._replace(body=bytes(flipped)))
    except errors.SignatureMismatch:
        return
    raise AssertionError("a changed body was accepted")


@given(name=st.sampled_from(NAMES), body=st.binary(max_size=100), key=KEYS, event_id=IDS, data=st.data())
def test_a_changed_character_of_a_signed_header_is_rejected(name, body, key, event_id, data):
    delivery, verifier = genuine(name, body, key, event_id)
    scheme = verifier.preset.scheme
    header = data.draw(
        st.sampled_from(sorted({scheme.required_header or scheme.signature[0].lower, *(scheme.covers - {"body"})}))
    )
    value = delivery.headers[header]
    place = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda character: character != value[place]))
    changed = value[:place] + other + value[place + 1 :]
    try:
        verifier.verify(Delivery(body, {**dict(delivery.headers.items()), header: changed}))
    except (errors.SignatureRejected, errors.TimestampRejected, errors.MalformedHeader):
        return
    raise AssertionError(f"{header}: {changed!r} was accepted in place of {value!r}")


@given(name=st.sampled_from(NAMES), body=st.binary(max_size=100), key=KEYS, other=KEYS, event_id=IDS)
def test_another_secret_does_not_verify(name, body, key, other, event_id):
    delivery, _ = genuine(name, body, key, event_id)
    if key == other:
        return
    try:
        Verifier(name, Secret.exact(other), clock=FrozenClock(NOW)).verify(delivery)
    except errors.SignatureMismatch:
        return
    raise AssertionError("another secret's signature was accepted")


@given(
    name=st.sampled_from(NAMES),
    body=st.binary(max_size=100),
    keys=st.lists(KEYS, min_size=2, max_size=5, unique=True),
    event_id=IDS,
    data=st.data(),
)
def test_while_a_secret_is_rotated_any_of_several_matches(name, body, keys, event_id, data):
    signer = data.draw(st.integers(0, len(keys) - 1))
    delivery, _ = genuine(name, body, keys[signer], event_id)
    accepted = [Secret.exact(key, name=str(place)) for place, key in enumerate(keys)]
    assert Verifier(name, accepted, clock=FrozenClock(NOW)).verify(delivery).secret == str(signer)


@given(name=st.sampled_from(NAMES), other=st.sampled_from(NAMES), key=KEYS, event_id=IDS)
def test_one_providers_delivery_does_not_pass_for_anothers(name, other, key, event_id):
    """With the same secret at both, which nobody should have: only the same signature in the same header passes."""
    body = json.dumps({"id": event_id}).encode()
    delivery, _ = genuine(name, body, key, event_id)
    one, two = presets.get(name).scheme, presets.get(other).scheme
    if one.required_header == two.required_header:
        return
    try:
        Verifier(other, Secret.exact(key), clock=FrozenClock(NOW)).verify(delivery)
    except errors.MissingSignature:
        return
    raise AssertionError(f"a {name} delivery passed for one of {other}")


@given(key=KEYS)
def test_every_spelling_of_a_secret_is_the_same_secret(key):
    delivery, _ = genuine("standard-webhooks", b"{}", key, "msg_1")
    text = base64.b64encode(key).decode()
    for spelling in (f"whsec_{text}", text, text.rstrip("=")):
        Verifier("standard-webhooks", spelling, clock=FrozenClock(NOW)).verify(delivery)
