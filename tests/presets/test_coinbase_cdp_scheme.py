import pytest
from scheme_keys import NOW, draft, keys

from hookguard import Delivery
from hookguard.errors import ConfigurationError, MalformedHeader, MalformedSignature, MissingSignature, SignatureMismatch
from hookguard.presets.coinbase_cdp import Hook0Scheme

PLAIN, BOUND = Hook0Scheme(), Hook0Scheme(headers=("x-event-id", "x-event-type"))
HEADERS = {"x-event-id": "evt-1", "x-event-type": "onchain.activity"}
BODY = b'{"event":"user.created"}'
KEYS = keys(PLAIN, "a-subscription-secret")
SIGNATURE = "x-hook0-signature"


def signed(scheme):
    return scheme.sign(draft(BODY, HEADERS), KEYS)


def changed(delivery, **headers):
    return Delivery(delivery.body, {**dict(delivery.headers.items()), **{n.replace("_", "-"): v for n, v in headers.items()}})


def test_both_versions_verify():
    for scheme in (PLAIN, BOUND):
        assert PLAIN.verify(signed(scheme), KEYS) == ("#1", NOW)
    assert signed(PLAIN).headers[SIGNATURE].startswith(f"t={NOW:.0f},v0=")
    assert signed(BOUND).headers[SIGNATURE].startswith(f"t={NOW:.0f},h=x-event-id x-event-type,v1=")


def test_a_signed_header_and_its_order_count():
    with pytest.raises(SignatureMismatch):
        PLAIN.verify(changed(signed(BOUND), x_event_id="evt-2"), KEYS)
    swapped = signed(BOUND).headers[SIGNATURE].replace("x-event-id x-event-type", "x-event-type x-event-id")
    with pytest.raises((SignatureMismatch, MalformedSignature)):
        PLAIN.verify(changed(signed(BOUND), x_hook0_signature=swapped), KEYS)


def test_the_border_between_signed_headers_does_not_move():
    with pytest.raises(MalformedSignature, match="two readings"):
        PLAIN.verify(changed(signed(BOUND), x_event_id="evt-1.onchain", x_event_type="activity"), KEYS)
    with pytest.raises(MalformedSignature, match="two readings"):
        BOUND.sign(draft(BODY, {**HEADERS, "x-event-id": "evt.1"}), KEYS)


def test_a_piece_of_the_last_header_does_not_move_into_the_body():
    moved = changed(signed(BOUND), x_event_type="onchain")
    for body in (b"activity." + BODY, b"", b" " + BODY):
        with pytest.raises(MalformedSignature, match="not a JSON"):
            PLAIN.verify(Delivery(body, moved.headers), KEYS)


def test_a_right_v0_does_not_save_a_wrong_v1():
    v0 = signed(PLAIN).headers[SIGNATURE].rpartition("v0=")[2]
    header = f"t={NOW:.0f},v0={v0},h=x-event-id,v1={'0' * 64}"
    with pytest.raises(SignatureMismatch):
        PLAIN.verify(changed(signed(PLAIN), x_hook0_signature=header), KEYS)


def test_a_signed_v1_message_is_not_a_body_of_v0():
    v1 = signed(BOUND).headers[SIGNATURE].rpartition("v1=")[2]
    body = b"x-event-id x-event-type.evt-1.onchain.activity." + BODY
    with pytest.raises(MalformedSignature):
        PLAIN.verify(Delivery(body, {SIGNATURE: f"t={NOW:.0f},v0={v1}"}), KEYS)


def test_a_piece_of_the_body_does_not_move_into_a_header():
    delivery = BOUND.sign(draft(b'{"a":1.5}', HEADERS), KEYS)
    headers = {**dict(delivery.headers.items()), "x-event-type": 'onchain.activity.{"a":1'}
    with pytest.raises(MalformedSignature, match="brace"):
        PLAIN.verify(Delivery(b"5}", headers), KEYS)


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("", MissingSignature),
        ("v0=00", MalformedSignature),
        ("t=1,t=1,v0=00", MalformedSignature),
        ("t=1,h=x-event-id,h=x-event-id,v1=00", MalformedSignature),
        ("t=1,v1=00", MalformedSignature),
        ("t=1", MalformedSignature),
        ("t=1,h=x-missing,v1=00", MalformedSignature),
        ("t=1,h=X-Event-Id,v1=00", MalformedSignature),
        ("t=1,h=x-event-id  x-event-type,v1=00", MalformedSignature),
        ("t=1,h=,v1=00", MalformedSignature),
        ("t=1,v0=é", MalformedSignature),
        ("t=1," + "v0=00," * 20, MalformedHeader),
    ],
)
def test_hostile_headers_are_rejected(header, error):
    with pytest.raises(error):
        PLAIN.verify(Delivery(BODY, {**HEADERS, SIGNATURE: header}), KEYS)


def test_headers_to_sign_are_lower_case_and_there():
    with pytest.raises(ConfigurationError):
        Hook0Scheme(headers=("X-Event-Id",))
    with pytest.raises(MalformedSignature):
        BOUND.sign(draft(BODY), KEYS)
