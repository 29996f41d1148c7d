"""Challenges, each through a guard: what is answered, what is not, and what an attacker can make of the answers."""

import asyncio
import hashlib
import hmac
import json
import re
from dataclasses import replace
from urllib.parse import quote

import pytest
from guards import NOW, SECRET, Async, Faulty, Sync

from hookguard import (
    ConfigurationError,
    Delivery,
    Endpoint,
    HmacScheme,
    InBody,
    InHeader,
    InQuery,
    MemoryStore,
    Reply,
    Secret,
    SignatureHeader,
    Tenant,
    Verifier,
    presets,
)
from hookguard.challenge import AnyOf, Computed, Echo, Fixed, NewSecret
from hookguard.testing import FrozenClock

GET_ECHO = Echo(InQuery("challenge"), method="GET", comes_unsigned=True)
OKTA = Echo(InHeader("X-Verification-Challenge"), method="GET", comes_unsigned=True, as_field="verification")
ORIGIN = Echo(
    InHeader("WebHook-Request-Origin"),
    method="OPTIONS",
    comes_unsigned=True,
    as_header="WebHook-Allowed-Origin",
    shape=re.compile(r"[a-z0-9.-]{1,253}"),
)
PROVEN = Echo(
    InQuery("hub.challenge"),
    method="GET",
    comes_unsigned=True,
    when={InQuery("hub.mode"): "subscribe"},
    proof=(InQuery("hub.verify_token"), "verify_token"),
)
ALONE = Echo(InBody("challenge"), comes_unsigned=True, alone=True, as_field="challenge")
PROBE = Fixed(Reply(200), method="HEAD", comes_unsigned=True)
PONG = Fixed(Reply.json(200, {"type": 1}), when={InBody("type"): "1"})
HMACS = Computed(
    InBody("payload.plainToken"),
    answer=lambda token, key: Reply.json(200, {"plainToken": token, "encryptedToken": key.prepared.digest(token.encode()).hex()}),
    when={InBody("event"): "endpoint.url_validation"},
)
BRINGS = NewSecret(InHeader("X-Hook-Secret"), as_header="X-Hook-Secret")
SHOWS = NewSecret(InBody("verification_token"), alone=True)


class Tokened(HmacScheme):
    """A scheme whose secret may hold the token of a handshake as well."""

    optional_fields = ("verify_token",)


TOKENED = Tokened(signature=SignatureHeader("X-Hub-Signature-256", "sha256={hex}"))


@pytest.fixture(params=[Sync, Async], ids=lambda kind: kind.name)
def kind(request):
    return request.param


@pytest.fixture
def store():
    return Faulty(MemoryStore())


@pytest.fixture
def outcomes():
    return []


@pytest.fixture
def make(kind, store, outcomes):
    def made(challenge, secrets=SECRET, preset=presets.STRIPE, **options):
        asking = replace(preset, name="asking", challenge=challenge)
        verifier = Verifier(asking, secrets, clock=FrozenClock(NOW))
        return kind(Endpoint(verifier, observers=[outcomes.append], **options), store)

    return made


def get(target="/hook", method="GET", body=b"", **headers):
    return Delivery(body, {name.replace("_", "-"): value for name, value in headers.items()}, method, target)


def signed(document):
    return presets.STRIPE.sign(json.dumps(document).encode(), SECRET, timestamp=NOW)


def answer(guard, delivery):
    reply = guard.open(delivery).reply
    return reply.status, reply.body


def test_a_query_parameter_is_echoed_as_text(make, store, outcomes):
    reply = make(GET_ECHO).open(get("/hook?challenge=abc-123&x=1")).reply
    assert reply == Reply(200, (("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")), b"abc-123")
    assert (outcomes[-1].outcome, outcomes[-1].status) == ("challenge", 200)
    assert store.calls == []


@pytest.mark.parametrize(
    "value", ["<script>", "a b", "a\nb", "v0:1:x", "a" * 257, "ä", "a.b", '{"id":1}', "a%00", "%ff"], ids=repr
)
def test_an_invalid_token_is_rejected(make, value):
    guard = make(GET_ECHO)
    assert answer(guard, get("/hook?challenge=" + (value if value == "%ff" else quote(value))))[0] == 400


@pytest.mark.parametrize("target", ["/hook", "/hook?", "/hook?challenge=", "/hook?other=abc", "/hook?a?challenge=abc"])
def test_a_get_that_asks_nothing_is_like_any_unsigned_delivery(make, target):
    assert answer(make(GET_ECHO), get(target))[0] == 401


@pytest.mark.parametrize(
    "target",
    [
        "/hook?challenge=a&challenge=b",
        "/hook?" + "x=1&" * 200 + "challenge=a",
        "/hook?challenge=" + "a" * 9000,
        "/hook#?challenge=abc",
    ],
)
def test_a_query_that_is_not_plain_is_rejected(make, target):
    assert answer(make(GET_ECHO), get(target))[0] == 400


def test_the_method_is_part_of_the_challenge(make):
    guard = make(GET_ECHO)
    assert answer(guard, get("/hook?challenge=abc", "POST"))[0] == 401
    assert answer(guard, get("/hook?challenge=abc", "HEAD"))[0] == 405
    assert answer(make(AnyOf(GET_ECHO, PROBE)), get("/hook?challenge=abc", "HEAD")) == (200, b"")


def test_a_signed_delivery_by_a_challenges_method_is_not_an_event(make, store):
    delivery = signed({"id": "evt_1"})._replace(method="GET")
    reply = make(GET_ECHO).open(delivery).reply
    assert (reply.status, dict(reply.headers)["Allow"]) == (405, "GET, POST")
    assert store.calls == []
    assert make(GET_ECHO).open(signed({"id": "evt_1"})).event.id == "evt_1"


def test_a_header_is_echoed_as_json_or_in_a_header(make):
    reply = make(OKTA).open(get(X_Verification_Challenge="abc")).reply
    assert reply == Reply(200, (("Content-Type", "application/json"),), b'{"verification":"abc"}')
    reply = make(ORIGIN).open(get(method="OPTIONS", WebHook_Request_Origin="eventgrid.azure.net")).reply
    assert reply == Reply(200, (("WebHook-Allowed-Origin", "eventgrid.azure.net"),), b"")
    assert answer(make(ORIGIN), get(method="OPTIONS", WebHook_Request_Origin="a.net\r\nX: y"))[0] == 400
    assert answer(make(ORIGIN), get(method="OPTIONS", WebHook_Request_Origin="https://a.net"))[0] == 400


def test_a_proof_is_compared_with_a_field_of_any_secret(make):
    old, new = (Secret.of(secret=SECRET, verify_token=token) for token in ("first-verify-token", "other-verify-token"))
    guard = make(PROVEN, [new, old], preset=replace(presets.GITHUB, scheme=TOKENED))
    asked = "/hook?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
    assert answer(guard, get(asked + "first-verify-token")) == (200, b"1158201444")
    assert answer(guard, get(asked + "other-verify-token")) == (200, b"1158201444")
    for wrong in ("", "first-verify-toke", "first-verify-token1", "%F0%9F%94%91"):
        assert answer(guard, get(asked + wrong))[0] == 401
    assert answer(guard, get("/hook?hub.challenge=1158201444&hub.verify_token=first-verify-token"))[0] == 401


def test_without_the_field_a_proof_cannot_be_given(make, outcomes):
    guard = make(PROVEN, preset=presets.GITHUB)
    assert answer(guard, get("/hook?hub.mode=subscribe&hub.challenge=1&hub.verify_token="))[0] == 401
    assert "has no verify_token to check it with: configure it" in outcomes[-1].reason


def test_an_unsigned_json_field_is_echoed_when_it_is_alone(make, store):
    guard = make(ALONE)
    assert answer(guard, get(method="POST", body=b'{"challenge": "abc"}')) == (200, b'{"challenge":"abc"}')
    for body in (
        b'{"challenge": "abc", "event": 1}',
        b"[]",
        b"",
        b"x",
        b'{"challenge": 1.5}',
        b'{"challenge": "a"' + b" " * 5000 + b"}",
    ):
        assert answer(guard, get(method="POST", body=body))[0] == 401, body
    assert answer(guard, get(method="POST", body=b'{"challenge": "<b>"}'))[0] == 400
    assert store.calls == []


def test_a_ping_gets_its_pong_once_it_is_verified(make):
    guard = make(PONG)
    assert answer(guard, signed({"type": 1})) == (200, b'{"type":1}')
    assert answer(guard, get(method="POST", body=b'{"type": 1}'))[0] == 401
    assert guard.open(signed({"type": 11, "id": "a"})).event.id == "a"
    assert guard.open(signed({"type": {"x": 1}, "id": "b"})).event.id == "b"


def test_beside_an_unsigned_one_what_must_be_signed_still_must(make):
    guard = make(AnyOf(GET_ECHO, PONG, HMACS))
    assert answer(guard, get(method="POST", body=b'{"type": 1}'))[0] == 401
    body = b'{"event": "endpoint.url_validation", "payload": {"plainToken": "abc"}}'
    assert answer(guard, get(method="POST", body=body))[0] == 401
    assert answer(guard, signed({"type": 1})) == (200, b'{"type":1}')


def test_a_signed_delivery_without_a_question_is_an_event(make):
    guard = make(AnyOf(replace(ALONE, as_field="", as_header="X"), PONG))
    assert guard.open(signed({"id": "evt_1", "challenge": "abc"})).event.id == "evt_1"


def test_an_answer_made_with_the_secret_that_matched(make):
    other = "another-secret-of-some-length"
    guard = make(HMACS, [other, SECRET])
    document = {"event": "endpoint.url_validation", "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}}
    expected = hmac.new(SECRET.encode(), b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256).hexdigest()
    status, body = answer(guard, signed(document))
    assert (status, json.loads(body)) == (200, {"plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": expected})
    assert answer(guard, signed(document)._replace(body=json.dumps(document).encode() + b" "))[0] == 401


def test_an_answer_to_a_challenge_signs_no_event(make):
    """The token would be an event's signed bytes: "v0:<timestamp>:<body>"."""
    for token in ("v0:1700000000:{}", "1700000000.{}", "msg_1.1700000000.{}", '{"id":1}', ""):
        document = {"id": "e", "event": "endpoint.url_validation", "payload": {"plainToken": token}}
        receipt = make(HMACS).open(signed(document))
        assert receipt.reply is None if not token else receipt.reply.status == 400


def test_a_new_secret_is_taken_only_by_who_expects_one(make, outcomes):
    taken = []

    def accept(secret, delivery):
        taken.append((secret, delivery.url))
        return secret == "expected-secret-of-asana"

    guard = make(BRINGS, accept_secret=accept)
    reply = guard.open(get("/hook/7", "POST", b"{}", X_Hook_Secret="expected-secret-of-asana")).reply
    assert reply == Reply(200, (("X-Hook-Secret", "expected-secret-of-asana"),), b"")
    assert taken == [("expected-secret-of-asana", "/hook/7")]
    assert (outcomes[-1].outcome, outcomes[-1].reason) == ("challenge", "a new secret was accepted")
    reply = guard.open(get("/hook/7", "POST", b"{}", X_Hook_Secret="attackers")).reply
    assert (reply.status, "X-Hook-Secret" in dict(reply.headers)) == (401, False)
    assert outcomes[-1].reason_code == "unexpected_secret"
    assert not any("attackers" in str(outcome) or "expected-secret-of" in str(outcome) for outcome in outcomes)


@pytest.mark.parametrize("taken", [None, False, 1, "yes"])
def test_only_true_takes_a_secret(make, taken):
    assert answer(make(BRINGS, accept_secret=lambda *_: taken), get(method="POST", X_Hook_Secret="abc"))[0] == 401


def test_a_new_secret_in_the_body(make):
    guard = make(SHOWS, accept_secret=lambda secret, delivery: True)
    assert answer(guard, get(method="POST", body=b'{"verification_token": "secret_abc"}')) == (200, b"")
    assert answer(guard, get(method="POST", body=b'{"verification_token": "secret_abc", "id": 1}'))[0] == 401


def test_nobody_takes_a_secret_by_default(make, outcomes):
    assert answer(make(BRINGS), get(method="POST", X_Hook_Secret="abc"))[0] == 401
    assert "the endpoint has no accept_secret" in outcomes[-1].reason


def test_a_place_for_secrets_that_is_down_asks_the_provider_to_come_again(make):
    def accept(secret, delivery):
        raise OSError("no database")

    assert answer(make(BRINGS, accept_secret=accept), get(method="POST", X_Hook_Secret="abc"))[0] == 503


def test_a_coroutine_may_take_a_secret_for_the_asynchronous_guard(make, kind):
    async def accept(secret, delivery):
        await asyncio.sleep(0)
        return True

    if kind is Sync:
        with pytest.raises(ConfigurationError, match="accepts secrets with a coroutine: use AsyncGuard"):
            make(BRINGS, accept_secret=accept)
        return
    assert answer(make(BRINGS, accept_secret=accept), get(method="POST", X_Hook_Secret="abc"))[0] == 200


def test_a_provider_that_sends_no_secret_takes_no_acceptor(make):
    with pytest.raises(ConfigurationError, match="sends no secret of its own: leave accept_secret out"):
        make(GET_ECHO, accept_secret=lambda *_: True)


def test_a_tenants_secret_is_looked_up_only_where_the_answer_takes_it(make):
    asked = []

    def lookup(path, headers):
        asked.append(path)
        return Tenant("acme", [SECRET]) if path == "/hook/acme" else None

    assert answer(make(GET_ECHO, lookup), get("/hook/nobody?challenge=abc")) == (200, b"abc")
    assert answer(make(BRINGS, lookup, accept_secret=lambda *_: True), get("/hook/new", "POST", X_Hook_Secret="abc"))[0] == 200
    assert asked == []
    computed = replace(HMACS, token=InQuery("token"), when={}, method="GET", comes_unsigned=True)
    assert answer(make(computed, lookup), get("/hook/acme?token=abc"))[0] == 200
    assert answer(make(computed, lookup), get("/hook/nobody?token=abc"))[0] == 401
    assert asked == ["/hook/acme", "/hook/nobody"]


def test_a_secret_that_is_out_of_date_makes_no_answer(make):
    computed = replace(HMACS, token=InQuery("token"), when={}, method="GET", comes_unsigned=True)
    guard = make(computed, [Secret(SECRET, name="old", not_after=NOW - 1), Secret("another-secret-of-some-length", name="new")])
    status, body = answer(guard, get("/hook?token=abc"))
    expected = hmac.new(b"another-secret-of-some-length", b"abc", hashlib.sha256).hexdigest()
    assert (status, json.loads(body)["encryptedToken"]) == (200, expected)
    assert answer(make(computed, Secret(SECRET, not_after=NOW - 1)), get("/hook?token=abc"))[0] == 401


def test_an_item_of_a_list_is_found_by_its_number(make):
    challenge = Echo(InBody("0.data.validationCode"), when={InBody("0.eventType"): "Validation"}, as_field="validationResponse")
    guard = make(challenge)
    assert answer(guard, signed([{"eventType": "Validation", "data": {"validationCode": "512d38b6"}}])) == (
        200,
        b'{"validationResponse":"512d38b6"}',
    )
    assert guard.open(signed([])).reply is None
