"""Errors carry the numbers and names of their text as attributes, so that no program parses sentences."""

import copy
import hashlib
import pickle
import time

import pytest

from hookguard import Delivery, Endpoint, GatewayVerifier, Headers, Secret, Verifier
from hookguard.errors import (
    AmbiguousHeader,
    BodyTooLarge,
    HookguardError,
    MalformedHeader,
    MethodNotAllowed,
    Rejected,
    SignatureMismatch,
    TimestampOutOfTolerance,
    TruncatedBody,
)
from hookguard.presets import get

SECRET = "whsec_" + "c2VjcmV0LWtleS1mb3ItdGVzdHMtb25seS0xMjM0NTY="


#: Each has the 64 characters that Contentful's secrets have.
TEXTS = [hashlib.sha256(text.encode()).hexdigest() for text in ("one", "two", "three")]
KEYS = [Secret.of(public_key="p", private_key=text) for text in TEXTS]
FORM = {"content-type": "application/x-www-form-urlencoded"}


def delivery_of(preset, *, age=0.0, body=b'{"id": "evt_1"}'):
    return get(preset).sign(body, SECRET, id="evt_1", timestamp=time.time() - age)


def test_stale_delivery_reports_how_far_it_is_off():
    with pytest.raises(TimestampOutOfTolerance) as caught:
        Verifier("stripe", SECRET, tolerance=300).verify(delivery_of("stripe", age=1000))
    assert caught.value.off == pytest.approx(1000, abs=30)
    assert caught.value.tolerance == 300


def test_delivery_from_the_future_is_off_in_the_other_direction():
    with pytest.raises(TimestampOutOfTolerance) as caught:
        Verifier("stripe", SECRET, tolerance=300).verify(delivery_of("stripe", age=-1000))
    assert caught.value.off == pytest.approx(-1000, abs=30)


def test_mismatch_counts_secrets_candidates_and_bytes():
    with pytest.raises(SignatureMismatch) as caught:
        Verifier("stripe", ["another-secret-of-the-tests", "a-third-secret-of-the-tests"]).verify(delivery_of("stripe"))
    error = caught.value
    assert (error.secrets, error.candidates, error.size) == (2, 1, len(b'{"id": "evt_1"}'))


def test_screening_errors_carry_sizes_and_methods():
    endpoint = Endpoint(Verifier("stripe", SECRET), max_body=10)
    with pytest.raises(BodyTooLarge) as too_large:
        endpoint.screen(Delivery(b"x" * 11, {}))
    assert (too_large.value.size, too_large.value.limit) == (11, 10)
    with pytest.raises(TruncatedBody) as truncated:
        endpoint.screen(Delivery(b"x", {"Content-Length": "2"}))
    assert (truncated.value.size, truncated.value.announced) == (1, 2)
    with pytest.raises(MethodNotAllowed) as method:
        endpoint.screen(Delivery(b"x", {}, "PUT"))
    assert (method.value.method, method.value.allowed) == ("PUT", frozenset({"POST"}))


def test_header_errors_name_the_header():
    with pytest.raises(AmbiguousHeader) as ambiguous:
        Headers([("X-A", "1"), ("X-A", "2")]).one("x-a")
    assert (ambiguous.value.header, ambiguous.value.count) == ("x-a", 2)
    with pytest.raises(MalformedHeader) as long:
        Headers({"X-A": "a" * 9000}).one("x-a")
    assert (long.value.size, long.value.limit) == (9000, 8192)


@pytest.mark.parametrize(
    ("preset", "secret", "body", "headers", "facts"),
    [
        ("plivo", SECRET, b"", {"x-plivo-signature-v3": ",".join("s" * 20), "x-plivo-signature-v3-nonce": "1"}, {"size": 20, "limit": 16}),
        ("coinbase-cdp", SECRET, b"{}", {"x-hook0-signature": ",".join(["v0=1"] * 20)}, {"size": 20, "limit": 16}),
        ("contentful", TEXTS[0], b"{}", {"x-contentful-signature": "0" * 64}, {"header": "x-contentful-timestamp"}),
        ("mercado-pago", SECRET, b"{}", {}, {"header": "x-signature"}),
        ("slack", SECRET, b"{}", {"x-slack-signature": "v0=" + "0" * 64}, {"header": "x-slack-request-timestamp"}),
        ("telegram", SECRET, b"{}", {}, {"header": "X-Telegram-Bot-Api-Secret-Token"}),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)  # fmt: skip
def test_rejection_by_a_preset_carries_its_facts(preset, secret, body, headers, facts):
    with pytest.raises(Rejected) as caught:
        Verifier(preset, secret).verify(Delivery(body, headers, "POST", "https://example.com/hook"))
    assert {name: getattr(caught.value, name) for name in facts} == facts


@pytest.mark.parametrize(
    ("name", "secrets"),
    [
        ("plivo", TEXTS),
        ("coinbase-cdp", TEXTS),
        ("mercado-pago", TEXTS),
        ("contentful", TEXTS),
        ("braintree", KEYS),
    ],
)
def test_mismatch_of_a_scheme_of_ones_own_counts_secrets_and_candidates(name, secrets):
    body = b"a=b" if name == "plivo" else b"{}"
    signed = get(name).sign(body, secrets[0], headers=FORM if name == "plivo" else None, url="https://example.com/hook?data.id=1")
    with pytest.raises(SignatureMismatch) as caught:
        Verifier(name, secrets[1:]).verify(signed)
    assert (caught.value.secrets, caught.value.candidates) == (2, 1)


def test_error_of_a_gateway_keeps_its_facts():
    verifier = GatewayVerifier("stripe", SECRET, gateway=Verifier("hookdeck", "a-secret-of-the-gateway"))
    signed = get("hookdeck").sign(b"{}", "not-the-secret-of-the-gateway", id="evt_1")
    with pytest.raises(SignatureMismatch, match="the gateway in front") as caught:
        verifier.verify(signed)
    assert caught.value.secrets == 1


@pytest.mark.parametrize("duplicate", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))], ids=["copy", "pickle"])
def test_copied_error_keeps_its_facts(duplicate):
    assert duplicate(BodyTooLarge("too large", size=2, limit=1)).limit == 1


def test_fact_that_does_not_apply_returns_none():
    assert BodyTooLarge("too large").size is None


def test_unknown_fact_is_a_mistake():
    with pytest.raises(TypeError, match="has no attribute 'colour'"):
        HookguardError("", colour="red")


def test_error_of_ones_own_may_write_its_own_text():
    class TooLate(HookguardError):
        def __init__(self, minutes):
            super().__init__(f"{minutes} minutes too late")

    class Stale(Rejected):
        def __init__(self, minutes):
            super().__init__(f"{minutes} minutes\ntoo late")

    assert str(TooLate(5)) == "5 minutes too late"
    assert str(Stale(5)) == r"5 minutes\ntoo late"
