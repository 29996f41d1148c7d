import base64
import hashlib
import hmac
from urllib.parse import urlencode

import pytest
from scheme_keys import draft, keys

from hookguard import Delivery, Secret, Verifier, presets
from hookguard.bodies import Reading, read_form
from hookguard.errors import (
    ConfigurationError,
    MalformedBody,
    MalformedHeader,
    MalformedSignature,
    MissingSignature,
    SignatureMismatch,
)
from hookguard.presets.braintree import SignedPayload

SCHEME = presets.BRAINTREE.scheme
PAIR = Secret.of(public_key="integration_public_key", private_key="integration_private_key")
KEYS = keys(SCHEME, PAIR)
XML = b"<notification><kind>check</kind></notification>" + b" " * 60
TYPE = {"Content-Type": "application/x-www-form-urlencoded"}


def signed(body=XML, *, using=KEYS):
    return SCHEME.sign(draft(body), using)


def sent(**fields):
    return Delivery(urlencode({**read_form(signed().body), **fields}).encode(), TYPE)


def test_sign_and_verify():
    assert SCHEME.verify(signed(), KEYS) == ("#1", None)
    assert base64.b64decode(read_form(signed().body)["bt_payload"]) == XML
    again = SCHEME.sign(draft(signed().body, TYPE), KEYS)
    assert again.body == signed().body


def test_the_payload_counts_and_its_last_line_break_may_be_lost():
    payload = read_form(signed().body)["bt_payload"]
    assert payload.endswith("\n")
    assert SCHEME.verify(sent(bt_payload=payload[:-1]), KEYS)
    for changed in (payload + "\n", payload.replace("\n", "", 1), "AA" + payload, payload[:-4]):
        with pytest.raises(SignatureMismatch):
            SCHEME.verify(sent(bt_payload=changed), KEYS)


def test_both_spellings_are_one_event():
    ids = {
        SignedPayload().find(Reading(each)) for each in (signed(), sent(bt_payload=read_form(signed().body)["bt_payload"][:-1]))
    }
    assert len(ids) == 1


def test_a_signature_is_listed_under_its_public_key():
    signature = read_form(signed().body)["bt_signature"]
    code = signature.partition("|")[2]
    assert SCHEME.verify(sent(bt_signature=f"other_key|00&{signature}"), KEYS)
    for listed in (f"other_key|{code}", code, f"integration_public_key|{code[:-1]}0", "integration_public_key|", "|"):
        with pytest.raises(SignatureMismatch):
            SCHEME.verify(sent(bt_signature=listed), KEYS)
    both = keys(SCHEME, Secret.of(public_key="new", private_key="a-new-private-key"), PAIR)
    assert SCHEME.verify(signed(), both) == ("#2", None)
    assert SCHEME.verify(signed(using=both), KEYS) == ("#1", None)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"bt_payload": "a b"}, MalformedSignature),
        ({"bt_payload": "é"}, MalformedSignature),
        ({"bt_signature": "é|é"}, MalformedSignature),
        ({"bt_payload": ""}, MissingSignature),
        ({"bt_signature": ""}, MissingSignature),
        ({"bt_signature": "a|b&" * 20}, MalformedHeader),
    ],
)
def test_hostile_forms_are_rejected(fields, error):
    with pytest.raises(error):
        SCHEME.verify(sent(**fields), KEYS)


def test_a_body_without_the_form_is_rejected():
    with pytest.raises(MissingSignature):
        SCHEME.verify(Delivery(b"{}", {}), KEYS)
    with pytest.raises(MalformedBody):
        SCHEME.verify(Delivery(b"bt_payload=a&bt_payload=b", TYPE), KEYS)


def test_the_answer_to_a_challenge_is_not_a_signature():
    # Any caller gets a signature over a text of their choice, if it has 20 to 32 hex digits.
    challenge = "20f9f8ed05f77439fe955c977e4c8a53"
    code = hmac.new(hashlib.sha1(b"integration_private_key").digest(), challenge.encode(), hashlib.sha1).hexdigest()
    for payload in (challenge, challenge + "\n"):
        with pytest.raises(MalformedSignature):
            SCHEME.verify(sent(bt_signature=f"integration_public_key|{code}", bt_payload=payload), KEYS)


def test_invalid_secrets_are_rejected():
    with pytest.raises(ConfigurationError, match="public_key"):
        keys(SCHEME, "a-private-key-alone")
    assert "integration_private_key" not in repr(KEYS)


def test_the_wrapped_payload_is_read():
    event = Verifier(presets.BRAINTREE, PAIR).verify(signed())
    assert event.type == "check"
    assert event.xml().tag == "notification"
    lost = Verifier(presets.BRAINTREE, PAIR).verify(sent(bt_payload=read_form(signed().body)["bt_payload"][:-1]))
    assert event.id == lost.id


def test_a_field_beside_the_payload_is_not_a_field_of_the_event():
    signed = presets.BRAINTREE.sign(b"<notification><kind>check</kind></notification>", PAIR)
    event = Verifier("braintree", PAIR).verify(signed._replace(body=signed.body + b"&amount=1000000&kind=payout"))
    assert event.covers == {"form:bt_payload"}
    assert set(event.form) == {"bt_payload"}
    assert (event.type, event.id) == ("check", Verifier("braintree", PAIR).verify(signed).id)
