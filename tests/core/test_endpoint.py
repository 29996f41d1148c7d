import math
import warnings
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    MalformedDelivery,
    MalformedHeader,
    MethodNotAllowed,
    MissingSignature,
    TruncatedBody,
    UnsupportedEncoding,
)
from hookguard.facts import DAY, Fact, Facts, Source

STATED = Source("https://example.com/retries", "2026-11-30")
SECRET = "a-secret-that-is-long-enough"
SIGNED = {"X-Hub-Signature-256": "sha256=" + "ab" * 32}
STRIPE = Verifier("stripe", SECRET)
GITHUB = Verifier("github", SECRET)


SIGNED_TIME = HmacScheme(signature=SignatureHeader("X-Sig", "t={timestamp},v1={hex}"), signed="{timestamp}.{body}")


def preset(*, horizon=0.0, timeout=None, stable=None, resigned=None, largest=None, signed="{body}", **options):
    source = Source("https://example.com/docs", "2026-11-24")
    return Preset(
        **{
            "name": "acme",
            "scheme": HmacScheme(signature=SignatureHeader("X-Sig", "{hex}"), signed=signed),
            "event_id": InHeader("X-Id"),
            "identity": "id",
            "facts": Facts(
                schedule=source.says("hourly"),
                horizon=source.says(horizon),
                resigned=resigned or source.silent(None),
                stable_body=source.says(stable),
                timeout=source.says(timeout),
                statuses=source.says("2xx"),
                networks=source.silent(None),
                largest_body=source.silent(largest),
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
        ({"on_reused_id": "drop"}, "on_reused_id"),
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


@given(st.text("/a.~-_%+:;#?&= \\x00é", max_size=8).map("/".__add__))
def test_a_target_that_decides_nothing_is_read_as_one_that_is_signed(target):
    of_body, of_url = (
        Endpoint(GITHUB),
        Endpoint(Verifier(preset(signed="{url}{body}"), SECRET), public_base_url="https://a.example"),
    )

    def read(endpoint):
        try:
            return endpoint.url(target).removeprefix("https://a.example")
        except MalformedDelivery:
            return None

    assert read(of_body) == read(of_url)


def test_a_provider_that_signs_the_url_needs_the_url():
    signs_url = Verifier(preset(signed="{url}{body}"), SECRET)
    with pytest.raises(ConfigurationError, match="set public_url"):
        Endpoint(signs_url)
    assert Endpoint(signs_url, public_url="https://a.example/hook").url("/inside?bodySHA256=ab%2F&x") == (
        "https://a.example/hook?bodySHA256=ab%2F&x"
    )
    configured = Endpoint(signs_url, public_url="https://a.example/hook?x=1")
    assert configured.url("/inside?x=1&bodySHA256=ab") == "https://a.example/hook?x=1&bodySHA256=ab"
    # A proxy may write escapes otherwise: the handler reads the same.
    for target in ("/inside?x=1", "/inside?x=%31", "/inside?%78=1&"):
        assert configured.url(target) == "https://a.example/hook?x=1"
    assert Endpoint(signs_url, public_base_url="https://a.example/").url("/hook?x=1") == "https://a.example/hook?x=1"
    assert Endpoint(STRIPE).url("/hook?x=1") == "/hook?x=1"
    # Where the URL is not signed, the configured one says nothing about this delivery.
    assert Endpoint(STRIPE, public_url="https://a.example/hook").url("/hook") == "/hook"


@pytest.mark.parametrize(
    "query", ["", "?", "?x=2", "?x=12", "?y=2", "?x=%31&y=2", "?y=2&x=1", "?X=1", "?x", "?x=1%26", "?x=1Digits5", "?x=1%26y=2"]
)
def test_another_query_than_the_configured_one_is_rejected(query):
    signs_url = Verifier(preset(signed="{url}{body}"), SECRET)
    endpoint = Endpoint(signs_url, public_url="https://a.example/hook?x=1")
    with pytest.raises(MalformedDelivery, match="is not the one in public_url"):
        endpoint.url(f"/inside{query}")
    # A provider signs the fields that it adds.
    assert endpoint.url("/inside?x=1&x=2") == "https://a.example/hook?x=1&x=2"


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
def test_the_head_is_rejected_without_hashing_the_body(change, error, status):
    endpoint = Endpoint(GITHUB, max_body=10, require_https=True, allow_from=["192.0.2.0/24"])
    good = {"body": b"12345", "headers": SIGNED, "method": "POST", "url": "/", "remote": "192.0.2.1", "secure": True}
    endpoint.screen(Delivery(**good))
    with pytest.raises(error) as raised:
        endpoint.screen(Delivery(**{**good, **change}))
    assert raised.value.status == status


def test_the_head_alone_is_checked_by_the_length_it_announces():
    endpoint = Endpoint(GITHUB, max_body=10)
    endpoint.screen(Delivery(b"", {**SIGNED, "Content-Length": "10"}), body_read=False)
    endpoint.screen(Delivery(b"", {**SIGNED, "Transfer-Encoding": "chunked"}), body_read=False)
    with pytest.raises(BodyTooLarge):
        endpoint.screen(Delivery(b"", {**SIGNED, "Content-Length": "11"}), body_read=False)


@pytest.mark.parametrize(
    "encoding", ["Identity", "", " ", "UTF-8", "utf8", "none", "7bit", "8bit", "binary", "us-ascii", "utf-8, identity"]
)
def test_a_content_encoding_that_compresses_nothing_is_harmless(encoding):
    Endpoint(GITHUB).screen(Delivery(b"x", {**SIGNED, "Content-Encoding": encoding}))


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "utf-8, gzip", "identity, br", "aws-chunked"])
def test_a_compressed_body_is_rejected(encoding):
    with pytest.raises(UnsupportedEncoding):
        Endpoint(GITHUB).screen(Delivery(b"x", {**SIGNED, "Content-Encoding": encoding}))


@pytest.mark.parametrize("body_read", [True, False])
def test_another_charset_than_utf_8_is_rejected_by_the_head_alone(body_read):
    delivery = Delivery(b"", {**SIGNED, "Content-Type": "application/json; charset=utf-7"})
    with pytest.raises(UnsupportedEncoding, match="charset"):
        Endpoint(GITHUB).screen(delivery, body_read=body_read)


def test_without_a_profile_the_defaults_are_plain():
    endpoint = Endpoint(Verifier(preset(facts=None), SECRET))
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


@pytest.mark.parametrize(
    ("resigned", "tolerance"),
    [
        (STATED.says(True), 300),
        (STATED.silent(True), 300 + 1.25 * DAY),
        (STATED.says(False), 300 + 1.25 * DAY),
        (STATED.silent(None), 300 + 1.25 * DAY),
    ],
)
def test_tolerance_covers_the_retries_unless_a_page_states_that_each_is_signed_once_more(resigned, tolerance):
    acme = preset(horizon=DAY, resigned=resigned, scheme=SIGNED_TIME)
    assert acme.tolerance == Verifier(acme, SECRET).tolerance == tolerance
    assert replace(acme, tolerance=60).tolerance == 60
    assert Verifier(acme, SECRET, tolerance=2 * DAY).tolerance == 2 * DAY


def test_preset_without_facts_has_a_tolerance_of_five_minutes():
    assert preset(facts=None, scheme=SIGNED_TIME).tolerance == 300


def test_tolerance_shorter_than_the_retries_warns():
    acme = preset(horizon=DAY, scheme=SIGNED_TIME)
    with pytest.warns(UserWarning, match="rejects timestamps older than 300 s, but acme retries for 86400 s"):
        Endpoint(Verifier(acme, SECRET, tolerance=300))
    for verifier in (
        Verifier(acme, SECRET),
        Verifier(acme, SECRET, tolerance=DAY),
        Verifier(acme, SECRET, allow_stale=True),
        Verifier(preset(horizon=DAY, resigned=STATED.says(True), scheme=SIGNED_TIME), SECRET, tolerance=60),
    ):
        Endpoint(verifier)


def test_long_tolerance_makes_the_store_remember_for_twice_as_long():
    acme = preset(horizon=20 * DAY, scheme=SIGNED_TIME)
    assert Endpoint(Verifier(acme, SECRET)).retention == 2 * acme.tolerance == 2 * (25 * DAY + 300)


@pytest.mark.parametrize(("largest", "limit"), [(None, 1 << 20), (1000, 1 << 20), (25_000_000, 25_000_000)])
def test_body_limit_is_what_the_provider_sends_and_at_least_one_mebibyte(largest, limit):
    verifier = Verifier(preset(largest=largest), SECRET)
    assert Endpoint(verifier).max_body == limit
    assert Endpoint(verifier, max_body=5).max_body == 5


def test_an_event_is_remembered_as_long_as_a_capture_of_it_is_accepted():
    assert Endpoint(Verifier("signed-url", SECRET)).retention == 60 * DAY
    assert Endpoint(Verifier("stripe", SECRET, tolerance=10 * DAY)).retention == 20 * DAY
    assert Endpoint(Verifier("stripe", SECRET, allow_stale=True)).retention == 7 * DAY
    with pytest.warns(UserWarning, match="a captured delivery is accepted for 1728000 s"):
        Endpoint(Verifier("stripe", SECRET, tolerance=10 * DAY), retention=15 * DAY)


@pytest.mark.parametrize(
    ("stable", "identity", "rejects"),
    [(True, "id", True), (None, "id", False), (False, "id", False), (True, "id+content", False)],
)
def test_a_reused_id_is_handled_as_the_providers_retries_are(stable, identity, rejects):
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


def test_the_repr_of_an_endpoint_names_it_and_its_preset():
    assert repr(Endpoint(STRIPE)) == "Endpoint('stripe', 'stripe')"


def test_a_fact_knows_whether_a_page_states_it():
    source = Source("https://example.com", "2026-11-24")
    assert source.says(5.0) == Fact(5.0, "https://example.com", "2026-11-24")
    assert not source.silent(5.0).confirmed
