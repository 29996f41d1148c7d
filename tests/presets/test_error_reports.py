"""No secret, and no signature that a secret makes, is in what an error reporter writes of hookguard's frames."""

import json

import pytest
from carriers import signatures, text_at
from error_reports import report
from example_secrets import public_side
from samples import NOW, found, signed, verifier

from hookguard import Rejected, Secret, Verifier, presets
from hookguard.errors import ConfigurationError

EVERY = pytest.mark.parametrize("preset", [presets.get(name) for name in presets.names()], ids=presets.names())
SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQ"


def texts(secret):
    """Every text of a secret that nobody but its owner knows."""
    fields = (secret._fields or {"secret": secret._value}) if isinstance(secret, Secret) else {"secret": secret}
    private = [value for name, value in fields.items() if "secret" in name or "token" in name or "aes" in name or name == "key"]
    return [
        value.decode("latin-1") if isinstance(value, bytes) else value for value in private if isinstance(value, (str, bytes))
    ]


@EVERY
def test_a_rejection_shows_no_secret_and_no_right_signature(preset):
    delivery = signed(preset)
    right = [text for place in signatures(preset, delivery) if (text := text_at(place, preset, delivery))]
    forged = delivery._replace(headers=dict.fromkeys(delivery.headers, "0" * 64), body=delivery.body + b" ")
    checking = verifier(preset)
    secrets = [text for text in texts(public_side(preset)) if len(text) >= 8 and not text.startswith("-----BEGIN PUBLIC")]
    for attempt in (forged, forged._replace(body=b"no json"), forged._replace(headers={}), forged._replace(url="/")):
        for check in (checking.wants, lambda d: checking.verify(d, found=found(preset.name) or object())):
            try:
                check(attempt)
            except Rejected as error:
                shown = report(error)
                assert [text for text in secrets if text in shown] == []
                assert [text for text in right if text in shown] == []


def test_the_right_signature_of_a_forged_body_is_not_shown():
    body = b'{"id": "evt_forged"}'
    right = presets.STRIPE.sign(body, SECRET, timestamp=NOW).headers["stripe-signature"].split("v1=")[1]
    forged = presets.STRIPE.sign(b"{}", SECRET, timestamp=NOW)._replace(body=body)
    with pytest.raises(Rejected) as raised:
        Verifier("stripe", SECRET, clock=lambda: NOW).verify(forged)
    assert right not in report(raised.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Verifier("stripe", [SECRET, "short"]),
        lambda: Verifier("stripe", [SECRET, None]),
        lambda: Verifier("stripe", f" {SECRET}"),
        lambda: Verifier("standard-webhooks", f"{SECRET}!"),
        lambda: Secret(f"{SECRET} "),
        lambda: Secret.of(token=f"{SECRET} "),
        lambda: Secret.from_hex(SECRET),
        lambda: Secret.from_base64(f"{SECRET}!"),
        lambda: presets.GITHUB.sign(b"{}", [SECRET, "short"]),
        lambda: presets.TWILIO.sign(b"{}", [SECRET, SECRET]),
        lambda: Verifier("lark", json.dumps({"encrypt_key": SECRET, "verification_tok": "x"})),
        lambda: Verifier("no-such-preset", SECRET),
    ],
)
def test_a_good_secret_beside_a_wrong_one_is_not_shown_when_an_application_starts(make):
    with pytest.raises(ConfigurationError) as raised:
        make()
    assert SECRET not in report(raised.value)
