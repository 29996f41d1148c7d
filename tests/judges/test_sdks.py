"""The providers' own SDKs as judges: what we sign they accept, and what they accept and we refuse is named here."""

import base64
import json
import time
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookguard import Delivery, Verifier, errors, presets

SECRET = "a-secret-that-is-long-enough"
WHSEC = "whsec_" + base64.b64encode(bytes(range(7, 39))).decode()
BODIES = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=200).map(str.encode),
    st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=5).map(lambda document: json.dumps(document).encode()),
)
TEXT_BODIES = st.one_of(st.text(max_size=200), st.dictionaries(st.text(max_size=8), st.text(max_size=9)).map(json.dumps)).map(
    lambda text: text.encode("utf-8", "replace")
)
IDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=40)


class Stripe:
    """stripe: reads the body as text."""

    preset, secret, header, bodies = presets.STRIPE, SECRET, "stripe-signature", TEXT_BODIES

    @staticmethod
    def accepts(delivery):
        stripe = pytest.importorskip("stripe")
        try:
            header = delivery.headers["stripe-signature"]
            return stripe.WebhookSignature.verify_header(delivery.body.decode(), header, SECRET, tolerance=300)
        except (stripe.SignatureVerificationError, KeyError, TypeError, ValueError):
            return False


class Standard:
    """standardwebhooks."""

    preset, secret, header, bodies = presets.STANDARD_WEBHOOKS, WHSEC, "webhook-signature", TEXT_BODIES
    module = "standardwebhooks.webhooks"

    @classmethod
    def accepts(cls, delivery):
        sdk = pytest.importorskip(cls.module)
        try:
            sdk.Webhook(WHSEC).verify(delivery.body, dict(delivery.headers.items()))
        except json.JSONDecodeError:
            return True  # it verifies first and parses afterwards
        except (sdk.WebhookVerificationError, KeyError, TypeError, ValueError):
            return False
        return True


class Svix(Standard):
    """svix."""

    preset, header = presets.SVIX, "svix-signature"
    module = "svix.webhooks"


class Slack:
    """slack_sdk."""

    preset, secret, header, bodies = presets.SLACK, SECRET, "x-slack-signature", TEXT_BODIES

    @staticmethod
    def accepts(delivery):
        signature = pytest.importorskip("slack_sdk.signature")
        try:
            return signature.SignatureVerifier(SECRET).is_valid_request(delivery.body, dict(delivery.headers.items()))
        except (TypeError, ValueError):
            return False


class GitHub:
    """gidgethub."""

    preset, secret, header, bodies = presets.GITHUB, SECRET, "x-hub-signature-256", BODIES

    @staticmethod
    def accepts(delivery):
        gidgethub = pytest.importorskip("gidgethub")
        sansio = pytest.importorskip("gidgethub.sansio")
        try:
            sansio.validate_event(delivery.body, signature=delivery.headers["x-hub-signature-256"], secret=SECRET)
        except (gidgethub.ValidationFailure, KeyError, TypeError, ValueError):
            return False
        return True


JUDGES = [Stripe, Standard, Svix, Slack, GitHub]


def we_accept(judge, delivery):
    try:
        Verifier(judge.preset, judge.secret).verify(delivery)
    except errors.Rejected:
        return False
    return True


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.__name__)
@given(data=st.data())
def test_what_we_sign_they_accept(judge, data):
    body = data.draw(judge.bodies)
    delivery = judge.preset.sign(
        body, judge.secret, id=data.draw(IDS), type="t", timestamp=int(time.time()) + data.draw(st.integers(-200, 200))
    )
    assert judge.accepts(delivery)
    assert we_accept(judge, delivery)


@given(body=TEXT_BODIES, event_id=IDS, off=st.integers(-200, 200))
@pytest.mark.parametrize("judge", [Standard, Svix], ids=lambda judge: judge.__name__)
def test_what_they_sign_we_accept(judge, body, event_id, off):
    sdk = pytest.importorskip(judge.module)
    at = datetime.fromtimestamp(int(time.time()) + off, timezone.utc)
    signature = sdk.Webhook(WHSEC).sign(event_id, at, body.decode())
    kind = judge.header.partition("-")[0]
    headers = {f"{kind}-id": event_id, f"{kind}-timestamp": str(int(at.timestamp())), f"{kind}-signature": signature}
    assert Verifier(judge.preset, WHSEC).verify(Delivery(body, headers)).id == event_id


@given(body=TEXT_BODIES, off=st.integers(-200, 200))
def test_what_slacks_sdk_signs_we_accept(body, off):
    signature = pytest.importorskip("slack_sdk.signature")
    stamp = str(int(time.time()) + off)
    text = signature.SignatureVerifier(SECRET).generate_signature(timestamp=stamp, body=body)
    Verifier("slack", SECRET).verify(Delivery(body, {"X-Slack-Signature": text, "X-Slack-Request-Timestamp": stamp}))


@given(body=TEXT_BODIES, off=st.integers(-200, 200))
def test_what_stripes_sdk_signs_we_accept(body, off):
    stripe = pytest.importorskip("stripe")
    stamp = int(time.time()) + off
    mac = stripe.WebhookSignature._compute_signature(f"{stamp}.{body.decode()}", SECRET)
    Verifier("stripe", SECRET).verify(Delivery(body, {"Stripe-Signature": f"t={stamp},v1={mac}"}))


def respelt(delivery, header, change):
    value = change(delivery.headers[header])
    return Delivery(delivery.body, {**dict(delivery.headers.items()), header: value})


def sent(judge, body=b'{"id": "1"}', off=0, event_id="msg_1"):
    return judge.preset.sign(body, judge.secret, id=event_id, timestamp=int(time.time()) + off)


def stray_bits(text):
    """The same bytes in base64 that ends in other bits."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return text[:-2] + alphabet[alphabet.index(text[-2]) ^ 1] + "="


def timestamped(judge, text, **changes):
    """A delivery whose signature covers the timestamp as Python's int() would read and write it."""
    made = sent(judge, **changes)
    header = {"stripe": None, "slack": "x-slack-request-timestamp"}.get(
        judge.preset.name, judge.header.partition("-")[0] + "-timestamp"
    )
    if header is None:
        return respelt(made, judge.header, lambda value: value.replace(f"t={int(time.time())}", f"t={text}"))
    return respelt(made, header, lambda value: text)


def padded(judge):
    return timestamped(judge, f" {int(time.time())} ")


def _with_dot():
    """Signed by their SDK, since ours refuses to read it."""
    sdk = pytest.importorskip("standardwebhooks.webhooks")
    at = datetime.now(timezone.utc)
    signature = sdk.Webhook(WHSEC).sign("msg.1", at, "{}")
    return Delivery(b"{}", {"webhook-id": "msg.1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature})


#: (who, what they accept and we refuse, why we do)
STRICTER = {
    "stripe: a timestamp in the future": (
        Stripe,
        lambda: sent(Stripe, off=86400),
        "the tolerance has two sides, or a delivery dated ahead could be replayed until then",
    ),
    "standardwebhooks: stray bits in base64": (
        Standard,
        lambda: respelt(sent(Standard), "webhook-signature", stray_bits),
        "one signature has one spelling; the provider never sends another",
    ),
    "svix: stray bits in base64": (Svix, lambda: respelt(sent(Svix), "svix-signature", stray_bits), "likewise"),
    "standardwebhooks: a line break inside base64": (
        Standard,
        lambda: respelt(sent(Standard), "webhook-signature", lambda text: text[:10] + "\n" + text[10:]),
        "no header holds a line break",
    ),
    "standardwebhooks: a timestamp with white space around it": (
        Standard,
        lambda: padded(Standard),
        "int() reads it and another text is signed than came",
    ),
    "stripe: a timestamp with white space around it": (Stripe, lambda: padded(Stripe), "likewise"),
    "svix: a timestamp in full-width digits": (
        Svix,
        lambda: timestamped(Svix, str(int(time.time())).translate({48 + digit: 0xFF10 + digit for digit in range(10)})),
        "likewise",
    ),
    "standardwebhooks: an id with a dot": (
        Standard,
        _with_dot,
        "the specification forbids it: the border between the id and the timestamp could be moved",
    ),
    "standardwebhooks: more than 16 signatures": (
        Standard,
        lambda: respelt(sent(Standard), "webhook-signature", lambda text: "v1,AAAA " * 16 + text),
        "each costs a comparison, and nobody rotates sixteen secrets",
    ),
    "stripe: more than 16 signatures": (
        Stripe,
        lambda: respelt(sent(Stripe), "stripe-signature", lambda text: text + ",v1=00" * 16),
        "likewise",
    ),
}


@pytest.mark.parametrize("case", STRICTER)
def test_what_they_accept_and_we_refuse_is_this_list(case):
    judge, make, why = STRICTER[case]
    delivery = make()
    assert why
    assert judge.accepts(delivery), "they refuse it by now: take it off the list"
    assert not we_accept(judge, delivery)


#: Changes of a genuine delivery. What one of the two accepts and the other refuses must be on the list above.
CHANGES = {
    "nothing": lambda text: text,
    "upper case": str.upper,
    "a space before": lambda text: " " + text,
    "a space behind": lambda text: text + " ",
    "cut": lambda text: text[:-1],
    "cut in half": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "twice": lambda text: text + text,
    "a comma behind": lambda text: text + ",",
    "a space and noise behind": lambda text: text + " zzz",
    "another version's": lambda text: text.replace("v1", "v0").replace("v0", "v2").replace("sha256", "sha1"),
    "not ASCII": lambda text: text + "é",
    "a NUL": lambda text: text + "\0",
    "no padding": lambda text: text.rstrip("="),
    "an equals sign more": lambda text: text + "=",
    "repeated with a comma": lambda text: text + "," + text,
    "repeated with a space": lambda text: text + " " + text,
    "a good one behind a bad one": lambda text: text.replace(",v1=", ",v1=00,v1=") if "t=" in text else "v1,AAAA " + text,
}

#: Where the two differ on those changes, and why that is right. True: we accept and they refuse.
DIFFERENCES = {
    ("Stripe", "a space before"): (True, "HTTP takes white space off both ends of a value, so it means nothing"),
    ("Stripe", "a space behind"): (True, "likewise"),
    ("Stripe", "an equals sign more"): (False, "the SDK splits at every equals sign and drops what follows the second"),
    ("Stripe", "repeated with a comma"): (False, "two timestamps in one header are ambiguous"),
    ("Standard", "a space before"): (True, "the SDK stops with a ValueError at the empty item before the space"),
    ("Standard", "a NUL"): (False, "the SDK's base64 skips every character that is none"),
    ("Standard", "an equals sign more"): (False, "likewise"),
    ("Svix", "a space before"): (True, "as in standardwebhooks"),
    ("Svix", "a NUL"): (False, "as in standardwebhooks"),
    ("Svix", "an equals sign more"): (False, "as in standardwebhooks"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.__name__)
def test_changed_headers_are_judged_alike(judge, change):
    delivery = respelt(sent(judge), judge.header, CHANGES[change])
    theirs, ours = judge.accepts(delivery), we_accept(judge, delivery)
    if (known := DIFFERENCES.get((judge.__name__, change))) is not None:
        assert (ours, theirs) == (known[0], not known[0]), "they agree by now: take it off the list"
        return
    assert ours == theirs, f"we {'accept' if ours else 'refuse'}, they do not agree"


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.__name__)
def test_the_judges_refuse_too(judge):
    """A judge that accepts everything proves nothing."""
    tampered = sent(judge)._replace(body=b"{}")
    assert not judge.accepts(tampered)
    assert not we_accept(judge, tampered)
    if judge.preset.scheme.signs_timestamp:
        assert not judge.accepts(sent(judge, off=-3600))
        assert not we_accept(judge, sent(judge, off=-3600))
