import math
import warnings

import pytest

from hookguard import (
    ConfigurationError,
    Delivery,
    Endpoint,
    HmacScheme,
    InHeader,
    Networks,
    Preset,
    SignatureHeader,
    StoreKey,
    Verifier,
    presets,
)
from hookguard.errors import (
    AddressNotAllowed,
    BodyTooLarge,
    InsecureTransport,
    LengthRequired,
    MalformedHeader,
    MethodNotAllowed,
    MissingSignature,
    TruncatedBody,
    UnsupportedEncoding,
)
from hookguard.profile import DAY, Fact, Profile, Source

SECRET = "a-secret-that-is-long-enough"
SIGNED = {"X-Hub-Signature-256": "sha256=" + "ab" * 32}
STRIPE = Verifier("stripe", SECRET)
GITHUB = Verifier("github", SECRET)


def preset(*, horizon=0.0, timeout=None, stable=None, signed="{body}", **options):
    source = Source("https://example.com/docs", "2026-11-24")
    return Preset(
        **{
            "name": "acme",
            "scheme": HmacScheme(signature=SignatureHeader("X-Sig", "{hex}"), signed=signed),
            "event_id": InHeader("X-Id"),
            "identity": "id",
            "profile": Profile(
                schedule=source.says("hourly"),
                horizon=source.says(horizon),
                resigned=source.silent(None),
                stable_body=source.says(stable),
                timeout=source.says(timeout),
                statuses=source.says("2xx"),
                networks=source.silent(None),
            ),
            **options,
        }
    )


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"name": "a b"}, "endpoint name"),
        ({"name": "x" * 65}, "endpoint name"),
        ({"name": "/x"}, "endpoint name"),
        ({"max_body": 0}, "max_body"),
        ({"max_body": "1MB"}, "max_body"),
        ({"max_body": True}, "max_body"),
        ({"max_concurrent": 0}, "max_concurrent"),
        ({"max_concurrent": 1.5}, "max_concurrent"),
        ({"max_concurrent": True}, "max_concurrent"),
        ({"on_reused_id": "refuse"}, "on_reused_id"),
        ({"on_outage": "maybe"}, "on_outage"),
        ({"identity": "body"}, "identity"),
        ({"lease": 0}, "lease"),
        ({"lease": math.inf}, "lease"),
        ({"lease": True}, "lease"),
        ({"retention": "7d"}, "retention"),
        ({"retention": -1}, "retention"),
        ({"allow_from": []}, "empty"),
        ({"allow_from": ["all"]}, "network"),
        ({"public_url": "example.com/hook"}, "public_url"),
        ({"public_base_url": "/hook"}, "public_base_url"),
    ],
)
def test_mistakes_are_found_when_it_is_made(options, why):
    with pytest.raises(ConfigurationError, match=why):
        Endpoint(STRIPE, **options)


def test_an_identity_that_cannot_be():
    with pytest.raises(ConfigurationError, match="carry no id"):
        Endpoint(Verifier("signed-url", SECRET), identity="id")


def test_a_provider_that_signs_the_url_needs_the_url():
    signs_url = Verifier(preset(signed="{url}{body}"), SECRET)
    with pytest.raises(ConfigurationError, match="set public_url"):
        Endpoint(signs_url)
    assert Endpoint(signs_url, public_url="https://a.example/hook?x=1").url("/inside") == "https://a.example/hook?x=1"
    assert Endpoint(signs_url, public_url="https://a.example/hook").url("/inside?bodySHA256=ab%2F&x") == (
        "https://a.example/hook?bodySHA256=ab%2F&x"
    )
    configured = Endpoint(signs_url, public_url="https://a.example/hook?x=1")
    assert configured.url("/inside?x=1&bodySHA256=ab") == "https://a.example/hook?x=1&bodySHA256=ab"
    # What a proxy wrote anew is not what was signed.
    for target in ("/inside?x=1", "/inside?x=%31&y=2", "/inside?x=12", "/inside?", "/inside"):
        assert configured.url(target) == "https://a.example/hook?x=1"
    assert Endpoint(signs_url, public_base_url="https://a.example/").url("/hook?x=1") == "https://a.example/hook?x=1"
    assert Endpoint(STRIPE).url("/hook?x=1") == "/hook?x=1"
    # Where the URL is not signed, the configured one says nothing about this delivery.
    assert Endpoint(STRIPE, public_url="https://a.example/hook").url("/hook") == "/hook"


@pytest.mark.parametrize(
    ("change", "error", "status"),
    [
        ({"method": "GET"}, MethodNotAllowed, 405),
        ({"method": "post"}, MethodNotAllowed, 405),
        ({"method": "PUT"}, MethodNotAllowed, 405),
        ({"body": b"x" * 11}, BodyTooLarge, 413),
        ({"headers": {**SIGNED, "Content-Length": "11"}}, BodyTooLarge, 413),
        ({"headers": {**SIGNED, "Content-Length": "-1"}}, MalformedHeader, 400),
        ({"headers": {**SIGNED, "Content-Length": "+5"}}, MalformedHeader, 400),
        ({"headers": {**SIGNED, "Content-Length": "٥"}}, MalformedHeader, 400),
        ({"headers": {**SIGNED, "Content-Length": "5,5"}}, MalformedHeader, 400),
        ({"headers": {**SIGNED, "Content-Length": "9" * 19}}, MalformedHeader, 400),
        ({"headers": {**SIGNED, "Content-Length": "4"}}, TruncatedBody, 400),
        ({"headers": {**SIGNED, "Content-Length": "6"}}, TruncatedBody, 400),
        ({"headers": {**SIGNED, "Transfer-Encoding": "chunked"}, "body": b""}, LengthRequired, 411),
        ({"headers": {**SIGNED, "Content-Encoding": "gzip"}}, UnsupportedEncoding, 415),
        ({"headers": {}}, MissingSignature, 401),
        ({"secure": False}, InsecureTransport, 403),
        ({"secure": None}, InsecureTransport, 403),
        ({"remote": "198.51.100.1"}, AddressNotAllowed, 403),
        ({"remote": None}, AddressNotAllowed, 403),
    ],
)
def test_what_is_refused_without_hashing(change, error, status):
    endpoint = Endpoint(GITHUB, max_body=10, require_https=True, allow_from=["192.0.2.0/24"])
    good = {"body": b"12345", "headers": SIGNED, "method": "POST", "url": "/", "remote": "192.0.2.1", "secure": True}
    endpoint.screen(Delivery(**good))
    with pytest.raises(error) as raised:
        endpoint.screen(Delivery(**{**good, **change}))
    assert raised.value.status == status


def test_the_head_alone_is_judged_by_what_it_announces():
    endpoint = Endpoint(GITHUB, max_body=10)
    endpoint.screen(Delivery(b"", {**SIGNED, "Content-Length": "10"}), body_read=False)
    endpoint.screen(Delivery(b"", {**SIGNED, "Transfer-Encoding": "chunked"}), body_read=False)
    with pytest.raises(BodyTooLarge):
        endpoint.screen(Delivery(b"", {**SIGNED, "Content-Length": "11"}), body_read=False)


def test_content_encoding_identity_is_no_encoding():
    Endpoint(GITHUB).screen(Delivery(b"x", {**SIGNED, "Content-Encoding": "Identity"}))


def test_without_a_profile_the_defaults_are_plain():
    endpoint = Endpoint(Verifier(preset(profile=None), SECRET))
    assert (endpoint.lease, endpoint.retention) == (60.0, 7 * DAY)
    assert endpoint.max_body == 1 << 20
    assert not endpoint.reject_reused_id
    assert endpoint.name == "acme"


def test_a_profile_sets_lease_and_retention():
    endpoint = Endpoint(Verifier(preset(horizon=30 * DAY, timeout=90.0), SECRET))
    assert endpoint.lease == 180.0
    assert endpoint.retention == 38.5 * DAY
    assert Endpoint(Verifier(preset(horizon=DAY, timeout=5.0), SECRET)).lease == 60.0
    assert Endpoint(Verifier(preset(), SECRET), lease=5, retention=100).retention == 100


def test_a_retention_shorter_than_the_retries_warns():
    with pytest.warns(UserWarning, match="would run again"):
        Endpoint(Verifier(preset(horizon=3 * DAY), SECRET), retention=2 * DAY)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Endpoint(Verifier(preset(horizon=3 * DAY), SECRET), retention=3 * DAY)


def test_an_event_is_remembered_as_long_as_a_capture_of_it_is_accepted():
    assert Endpoint(Verifier("signed-url", SECRET)).retention == 60 * DAY
    assert Endpoint(Verifier("stripe", SECRET, tolerance=10 * DAY)).retention == 20 * DAY
    assert Endpoint(Verifier("stripe", SECRET, allow_stale=True)).retention == 7 * DAY
    with pytest.warns(UserWarning, match="a capture is accepted for 1728000 s"):
        Endpoint(Verifier("stripe", SECRET, tolerance=10 * DAY), retention=15 * DAY)


@pytest.mark.parametrize(
    ("stable", "identity", "rejects"),
    [(True, "id", True), (None, "id", False), (False, "id", False), (True, "id+content", False)],
)
def test_a_reused_id_is_judged_as_the_providers_retries_are(stable, identity, rejects):
    assert Endpoint(Verifier(preset(stable=stable), SECRET), identity=identity).reject_reused_id is rejects
    assert Endpoint(STRIPE, on_reused_id="reject").reject_reused_id
    assert not Endpoint(Verifier(preset(stable=True), SECRET), on_reused_id="duplicate").reject_reused_id


def event(body=b'{"id": "evt/1", "type": "t"}', tenant=None):
    made = STRIPE.verify(presets.STRIPE.sign(body, SECRET))
    made.tenant = tenant
    return made


def test_keys_say_whose_event_it_is():
    endpoint = Endpoint(STRIPE, name="shop")
    assert endpoint.key(event()) == StoreKey("stripe/shop", "evt/1")
    assert endpoint.key(event(tenant="a/b")) == StoreKey("stripe/shop/a%2Fb", "evt/1")
    assert endpoint.key(event(tenant="a")) != Endpoint(STRIPE, name="shop2").key(event(tenant="a"))
    long = endpoint.key(event(tenant="x" * 300))
    assert len(long.scope) <= 255
    assert long != endpoint.key(event(tenant="x" * 301))


def test_keys_by_identity():
    digest = event().digest()
    assert Endpoint(STRIPE, identity="content").key(event()).id == f"sha256:{digest}"
    assert Endpoint(STRIPE, identity="id+content").key(event()).id == f"evt/1:{digest[:32]}"
    assert Endpoint(STRIPE).key(event()).idempotency_key == Endpoint(STRIPE).key(event()).idempotency_key


def test_two_scopes_never_make_the_same_idempotency_key():
    assert StoreKey("a", "b").idempotency_key != StoreKey("ab", "").idempotency_key
    assert StoreKey("a", "\ud800").idempotency_key


def test_networks_may_be_given_ready():
    networks = Networks(["192.0.2.0/24"])
    assert Endpoint(GITHUB, allow_from=networks).allow_from is networks


def test_repr():
    assert repr(Endpoint(STRIPE)) == "Endpoint('stripe', 'stripe')"


def test_a_fact_knows_whether_a_page_states_it():
    source = Source("https://example.com", "2026-11-24")
    assert source.says(5.0) == Fact(5.0, "https://example.com", "2026-11-24")
    assert not source.silent(5.0).confirmed
