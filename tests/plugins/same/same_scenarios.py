"""Deliveries and what every framework must answer: one list for all of them."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import replace
from typing import NamedTuple

from hookguard import (
    Delivery,
    HmacScheme,
    InBody,
    InHeader,
    InQuery,
    MemoryStore,
    Reply,
    SignatureHeader,
    StoreKey,
    StoreUnavailable,
    Tenant,
    presets,
)
from hookguard.batch import Batch
from hookguard.challenge import AnyOf, Computed, Echo, Fixed, NewSecret

SECRET = "a-secret-that-is-long-enough"
OTHER = "another-secret-of-some-length"
WHSEC = "whsec_" + base64.b64encode(bytes(range(7, 39))).decode()
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


#: Every kind of challenge there is, in one provider that never was.
ASKING = replace(
    presets.GITHUB,
    name="asking",
    challenge=AnyOf(
        Echo(InQuery("challenge"), method="GET", comes_unsigned=True),
        Echo(InHeader("Asked"), method="GET", comes_unsigned=True, as_field="verification"),
        Fixed(Reply(200), method="HEAD", comes_unsigned=True),
        Echo(InHeader("Origin-Asked"), method="OPTIONS", comes_unsigned=True, as_header="Origin-Allowed"),
        Echo(InQuery("validationToken"), comes_unsigned=True),
        Echo(InBody("challenge"), comes_unsigned=True, alone=True, as_field="challenge"),
        NewSecret(InHeader("X-Hook-Secret"), as_header="X-Hook-Secret"),
        Fixed(Reply.json(200, {"type": 1}), when={InBody("type"): "1"}),
        Fixed(Reply(204, (("Content-Type", "application/json"),)), when={InBody("type"): "0"}),
        Computed(
            InBody("plain"),
            answer=lambda token, key: Reply.json(200, {"made": key.prepared.digest(token.encode()).hex()}),
            when={InBody("event"): "validate"},
        ),
    ),
)


#: A provider of batches.
LISTED = replace(presets.STRIPE, name="listed", batch=Batch("events"))


def listed(*numbers, then=None, **fields):
    """A delivery of events; ``then`` maps a number to the answer of its first run."""
    events = [{"id": f"evt_{number}", "type": "t", **fields} for number in numbers]
    for event, number in zip(events, numbers, strict=True):
        if number in (then or {}):
            event["then"] = {"1": then[number]}
    return LISTED.sign(json.dumps({"events": events}).encode(), SECRET, timestamp=int(time.time()))


#: A provider that signs the URL.
ADDRESSED = replace(
    presets.GITHUB,
    name="addressed",
    scheme=HmacScheme(signature=SignatureHeader("Acme-Signature", "{hex}"), signed="{url}{body}"),
)


def addressed(query="", at="https://hooks.example.com/hooks/addressed", sent=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    delivery = ADDRESSED.sign(b"{}", SECRET, id="1", url=at + query, headers=headers)
    return delivery._replace(url=query if sent is None else sent)


def accept(secret, delivery):
    return secret == "expected-secret"


def asking(method="POST", query="", document=None, *, sign=False, **headers):
    """A delivery to the endpoint that asks; its URL is the query alone."""
    body = b"" if document is None else json.dumps(document).encode()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    delivery = ASKING.sign(body, SECRET, id="1", headers=headers) if sign else Delivery(body, headers)
    return delivery._replace(method=method, url=query)


class Answer(NamedTuple):
    """The expected answer, and the runs expected by then."""

    status: int
    ran: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


class Step(NamedTuple):
    """A delivery to an endpoint, and its answer."""

    endpoint: str
    delivery: Delivery
    answer: Answer


PROBLEM = (("content-type", "application/problem+json"),)
TEXT = (("content-type", "text/plain; charset=utf-8"),)
JSON = (("content-type", "application/json"),)
DUPLICATE = (("hookguard-duplicate", "1"),)


def rejected(status, ran=0, *headers):
    body = json.dumps(
        {"type": "about:blank", "title": "webhook rejected" if status < 500 else "try again later", "status": status}
    )
    return Answer(status, ran, (*PROBLEM, *headers), body.encode())


def failed(status, ran):
    body = json.dumps({"type": "about:blank", "title": "error", "status": status}).encode()
    return Answer(status, ran, PROBLEM, body)


def ok(ran=1, status=204):
    return Answer(status, ran)


def duplicate(ran=1):
    return Answer(200, ran, DUPLICATE, b"")


def stripe(event_id="evt_1", secret=SECRET, off=0, then=None, **fields):
    body = json.dumps({"id": event_id, "type": "invoice.paid", **fields}).encode()
    return plain("stripe", body, secret, off=off, then=then)


def plain(name, body, secret=SECRET, off=0, then=None, headers=None, **options):
    headers = {**(headers or {}), **({"X-Then": then} if then else {})}
    return presets.get(name).sign(body, secret, timestamp=int(time.time()) + off, headers=headers, **options)


def passed(delivery, secret=OTHER, hop="hop_1"):
    """The same as a gateway passes it on."""
    return plain("hookdeck", delivery.body, secret, headers=dict(delivery.headers.items()), id=hop)


def changed(delivery, **headers):
    kept = dict(delivery.headers.items()) | {
        name.replace("_", "-"): value for name, value in headers.items() if value is not None
    }
    for name, value in headers.items():
        if value is None:
            kept.pop(name.replace("_", "-"), None)
    return Delivery(delivery.body, kept, delivery.method)


def slack(**fields):
    return plain("slack", json.dumps(fields).encode())


def standard(event_id="msg_1", **options):
    return plain("standard-webhooks", b'{"type": "t"}', WHSEC, id=event_id, **options)


class Faltering(MemoryStore):
    """A store that fails the first time it is asked to complete or release an event."""

    def __init__(self):
        super().__init__()
        self.asked = set()

    def _falter(self, what, key):
        if (what, key) not in self.asked:
            self.asked.add((what, key))
            raise StoreUnavailable("restarting")

    def complete(self, key, **arguments):
        self._falter("complete", key)
        return super().complete(key, **arguments)

    def release(self, key, **arguments):
        self._falter("release", key)
        return super().release(key, **arguments)


class Faulty(MemoryStore):
    """A store whose claims or completions fail."""

    def __init__(self, *failing):
        super().__init__()
        self.failing = failing

    def claim(self, key, **arguments):
        if "claim" in self.failing:
            raise StoreUnavailable("down")
        return super().claim(key, **arguments)

    def complete(self, key, **arguments):
        if "complete" in self.failing:
            raise StoreUnavailable("down")
        return super().complete(key, **arguments)


def busy(scope="stripe/stripe", event_id="evt_1"):
    """A store in which another worker holds an event."""
    store = MemoryStore(clock=lambda: 1000.0)  # so that a slow machine reads 20 seconds too
    store.claim(StoreKey(scope, event_id), token=b"t" * 16, fingerprint=b"f" * 32, lease=20.0, retention=100.0)
    return store


def lookup(path, headers):
    """Secrets by path and header."""
    if headers.get("x-tenant") == "broken":
        raise OSError("no database")
    return {"acme": Tenant("acme", [SECRET])}.get(headers.get("x-tenant") or "")


ENDPOINTS = {
    "stripe": {"secrets": [SECRET]},
    "github": {"secrets": [SECRET]},
    "slack": {"secrets": [SECRET]},
    "standard-webhooks": {"secrets": [WHSEC]},
    "limited": {"preset": "github", "secrets": [SECRET], "max_body": 100},
    "strict": {"preset": "stripe", "secrets": [SECRET], "on_reused_id": "reject"},
    "https": {"preset": "github", "secrets": [SECRET], "require_https": True},
    "office": {"preset": "github", "secrets": [SECRET], "allow_from": ["192.0.2.0/24"]},
    "asking": {"preset": "same_scenarios.ASKING", "secrets": [SECRET], "accept_secret": "same_scenarios.accept"},
    "listed": {"preset": "same_scenarios.LISTED", "secrets": [SECRET]},
    "passed": {"preset": "stripe", "secrets": [SECRET], "behind": "hookdeck", "gateway_secrets": [OTHER]},
    "addressed": {"preset": "same_scenarios.ADDRESSED", "secrets": [SECRET], "public_base_url": "https://hooks.example.com"},
    "dashboard": {"preset": "same_scenarios.ADDRESSED", "secrets": [SECRET], "public_url": "https://api.example.com/x/hook"},
    "rotated": {"preset": "stripe", "secrets": [{"value": SECRET, "name": "new"}, {"value": OTHER, "name": "old"}]},
}
#: A function cannot go through the environment to a server's process.
IN_PROCESS = {**ENDPOINTS, "tenants": {"preset": "stripe", "secrets": lookup}}


def scenarios():
    """Steps by name, signed now: a timestamp from when the tests were collected would grow stale under them."""
    bad_json = plain("github", b"not json", id="1", then="json")
    return {
        "a genuine event": [Step("stripe", stripe(), ok())],
        "and its duplicates": [Step("stripe", stripe(), ok()), *[Step("stripe", stripe(), duplicate())] * 2],
        "a duplicate signed anew": [Step("stripe", stripe(), ok()), Step("stripe", stripe(off=-9), duplicate())],
        "two events": [Step("stripe", stripe(), ok()), Step("stripe", stripe("evt_2"), ok(2))],
        "any 2xx completes": [Step("stripe", stripe(then="202"), ok(status=202)), Step("stripe", stripe(), duplicate())],
        "another secret's": [Step("stripe", stripe(secret=OTHER), rejected(401))],
        "a tampered body": [Step("stripe", stripe()._replace(body=b'{"id": "evt_2"}'), rejected(401))],
        "no signature": [Step("stripe", changed(stripe(), stripe_signature=None), rejected(401))],
        "an empty signature": [Step("stripe", changed(stripe(), stripe_signature=""), rejected(401))],
        "a signature that is none": [Step("stripe", changed(stripe(), stripe_signature="zzz"), rejected(401))],
        "too many signatures": [Step("stripe", changed(stripe(), stripe_signature="t=1" + ",v1=00" * 17), rejected(400))],
        "a stale timestamp": [Step("stripe", stripe(off=-400), rejected(401))],
        "one in the future": [Step("stripe", stripe(off=400), rejected(401))],
        "a timestamp that is none": [Step("stripe", changed(stripe(), stripe_signature="t=1e9,v1=" + "ab" * 32), rejected(401))],
        "a genuine body that is no JSON": [Step("stripe", plain("stripe", b"not json"), rejected(400))],
        "an event without an id": [Step("stripe", plain("stripe", b"{}"), ok()), Step("stripe", plain("stripe", b"{}"), duplicate())],
        "repeated keys": [Step("stripe", plain("stripe", b'{"id": "1", "id": "2"}'), rejected(400))],
        "a body at the limit": [Step("limited", plain("github", b"x" * 100, id="1"), ok())],
        "a body over the limit": [Step("limited", plain("github", b"x" * 101, id="1"), rejected(413))],
        "a large body": [Step("github", plain("github", b"x" * (1 << 20), id="1"), ok())],
        "a compressed body": [Step("github", plain("github", b"x", id="1", headers={"Content-Encoding": "gzip"}), rejected(415))],
        "another method": [Step("stripe", stripe()._replace(method="PUT"), Answer(405, 0))],
        "a handler that answers 500": [Step("stripe", stripe(then="500"), ok(status=500)), Step("stripe", stripe(), ok(2)), Step("stripe", stripe(), duplicate(2))],
        "a handler that answers 404": [Step("stripe", stripe(then="404"), ok(status=404)), Step("stripe", stripe(), ok(2))],
        "a handler that raises": [Step("stripe", stripe(then="raise"), ok(status=500)), Step("stripe", stripe(), ok(2))],
        "a handler that cannot read the JSON": [Step("github", bad_json, rejected(400, 1)), Step("github", bad_json, rejected(400, 2))],
        "a challenge": [Step("slack", slack(type="url_verification", challenge="abc"), Answer(200, 0, (("content-type", "text/plain; charset=utf-8"),), b"abc"))],
        "a forged challenge": [Step("slack", changed(slack(type="url_verification", challenge="abc"), x_slack_signature="v0=" + "ab" * 32), rejected(401))],
        "a challenge in the query": [Step("asking", asking("GET", "?challenge=a-b_1"), Answer(200, 0, TEXT, b"a-b_1")), Step("asking", asking("GET", "?challenge=%3Cb%3E"), rejected(400))],
        "one in a header": [Step("asking", asking("GET", Asked="abc"), Answer(200, 0, JSON, b'{"verification":"abc"}'))],
        "a GET that asks nothing": [Step("asking", asking("GET"), rejected(401))],
        "a signed GET": [Step("asking", asking("GET", document={"id": 1}, sign=True), rejected(405, 0, ("allow", "GET, HEAD, OPTIONS, POST")))],
        "a probe": [Step("asking", asking("HEAD"), Answer(200, 0, (), b""))],
        "OPTIONS that ask": [Step("asking", asking("OPTIONS", Origin_Asked="abc"), Answer(200, 0, (("origin-allowed", "abc"),), b"")), Step("asking", asking("OPTIONS"), rejected(401))],
        "an unsigned challenge in a POST's query": [Step("asking", asking(query="?validationToken=abc", document=[]), Answer(200, 0, TEXT, b"abc"))],
        "one in its body": [Step("asking", asking(document={"challenge": "abc"}), Answer(200, 0, JSON, b'{"challenge":"abc"}')), Step("asking", asking(document={"challenge": "abc", "id": 1}), rejected(401))],
        "a new secret": [Step("asking", asking(X_Hook_Secret="expected-secret"), Answer(200, 0, (("x-hook-secret", "expected-secret"),), b"")), Step("asking", asking(X_Hook_Secret="another"), rejected(401))],
        "a ping": [Step("asking", asking(document={"type": 1}, sign=True), Answer(200, 0, JSON, b'{"type":1}')), Step("asking", asking(document={"type": 1}), rejected(401))],
        "one that wants an empty answer": [Step("asking", asking(document={"type": 0}, sign=True), Answer(204, 0, JSON, b""))],
        "a challenge that takes the secret": [Step("asking", asking(document={"event": "validate", "plain": "abc"}, sign=True), Answer(200, 0, JSON, json.dumps({"made": hmac.new(SECRET.encode(), b"abc", hashlib.sha256).hexdigest()}, separators=(",", ":")).encode()))],
        "an event of who asks": [Step("asking", asking(document={"event": "x"}, sign=True), ok())],
        "a batch": [Step("listed", listed(1, 2, 3), ok(3)), Step("listed", listed(1, 2, 3), duplicate(3)), Step("listed", listed(3, 4), ok(4))],
        "one event of a batch that fails": [Step("listed", listed(1, 2, 3, 4, 5, then={2: 500}), failed(500, 5)), Step("listed", listed(1, 2, 3, 4, 5, then={2: 500}), ok(6)), Step("listed", listed(1, 2, 3, 4, 5, then={2: 500}), duplicate(6))],
        "one that raises": [Step("listed", listed(1, 2, 3, then={1: "raise"}), failed(500, 3)), Step("listed", listed(1, 2, 3, then={1: "raise"}), ok(4))],
        "the last one fails": [Step("listed", listed(1, 2, then={2: 503}), Answer(503, 2)), Step("listed", listed(1, 2, then={2: 503}), ok(3))],
        "the last one raises": [Step("listed", listed(1, 2, then={2: "raise"}), Answer(500, 2)), Step("listed", listed(1, 2, then={2: "raise"}), ok(3))],
        "the same event twice in a batch": [Step("listed", listed(1, 1), ok())],
        "an empty batch": [Step("listed", listed(), Answer(200, 0, (), b""))],
        "a batch without an id": [Step("listed", LISTED.sign(b'{"events": [{"id": "a"}, {}]}', SECRET, timestamp=int(time.time())), ok(2))],
        "a body that is no batch": [Step("listed", LISTED.sign(b"{}", SECRET, timestamp=int(time.time())), rejected(400))],
        "what a gateway passes on": [Step("passed", passed(stripe()), ok()), Step("passed", passed(stripe(), hop="hop_2"), duplicate())],
        "a day late": [Step("passed", passed(stripe(off=-86400)), ok())],
        "not through the gateway": [Step("passed", stripe(), rejected(401)), Step("passed", passed(stripe(), SECRET), rejected(401))],
        "through it and forged before": [Step("passed", passed(stripe(secret=OTHER)), rejected(401))],
        "a signed URL": [Step("addressed", addressed(), ok())],
        "a signed query, as it was written": [Step("addressed", addressed("?b=%2F%2f&a=x%20y+z&a=%C3%A9&c&d=1;2&e=~@:!$'()*,="), ok())],
        "another query than was signed": [Step("addressed", addressed("?a=1", sent="?a=2"), rejected(401)), Step("addressed", addressed("?a=%2F", sent="?a=/"), rejected(401)), Step("addressed", addressed(sent="?a=1"), rejected(401))],
        "a host that only a header claims": [Step("addressed", addressed(X_Forwarded_Host="other.example", X_Forwarded_Proto="http", Forwarded="host=other.example", X_Original_URL="/x", Host="other.example"), ok()), Step("addressed", addressed(at="https://other.example/hooks/addressed", X_Forwarded_Host="other.example"), rejected(401, 1))],
        "the URL in the dashboard": [Step("dashboard", addressed(at="https://api.example.com/x/hook"), ok()), Step("dashboard", addressed("?sha=%2F", at="https://api.example.com/x/hook"), duplicate()), Step("dashboard", addressed("?sha=1", at="https://api.example.com/x/hook", sent="?sha=2"), rejected(401, 1))],
        "a form": [Step("github", plain("github", b"payload=%7B%7D", id="1", headers=FORM), ok())],
        "an empty body": [Step("github", plain("github", b"", id="1"), ok())],
        "bytes that are no text": [Step("github", plain("github", bytes(range(256)), id="1"), ok())],
        "letters of every kind": [Step("github", plain("github", "♥ ñ 漢".encode(), id="1"), ok())],
        "a Standard Webhooks event": [Step("standard-webhooks", standard(), ok()), Step("standard-webhooks", standard(), duplicate())],
        "an id that moves the border": [Step("standard-webhooks", changed(standard(), webhook_id="msg.1"), rejected(401))],
        "a reused id": [Step("strict", stripe(), ok()), Step("strict", stripe(amount=2), rejected(422, 1)), Step("strict", stripe(), duplicate())],
        "an old secret": [Step("rotated", stripe(secret=OTHER), ok()), Step("rotated", stripe(), duplicate())],
        "plain HTTP where HTTPS is required": [Step("https", plain("github", b"x", id="1"), rejected(403))],
        "HTTPS that only a header claims": [Step("https", plain("github", b"x", id="1", headers={"X-Forwarded-Proto": "https"}), rejected(403))],
        "another address": [Step("office", plain("github", b"x", id="1"), rejected(403))],
        "an address that only a header claims": [Step("office", plain("github", b"x", id="1", headers={"X-Forwarded-For": "192.0.2.1"}), rejected(403))],
    }  # fmt: skip


def special():
    """Those that need a store of their own, or a function in the settings: how the store is made, and the steps."""
    return {
        "an event another worker is at": (busy, [Step("stripe", stripe(), rejected(503, 0, ("retry-after", "20")))]),
        "a batch of which another worker is at one": (
            lambda: busy("listed/listed", "evt_2"),
            [
                Step("listed", listed(1, 2, 3), rejected(503, 2, ("retry-after", "20"))),
                Step("listed", listed(1, 3), duplicate(2)),
            ],
        ),
        "a batch and a store that is down": (
            lambda: Faulty("claim"),
            [Step("listed", listed(1, 2), rejected(503, 0, ("retry-after", "30")))],
        ),
        "a store that is down": (lambda: Faulty("claim"), [Step("stripe", stripe(), rejected(503, 0, ("retry-after", "30")))]),
        "a store that goes down": (
            lambda: Faulty("complete"),
            [Step("stripe", stripe(), rejected(503, 1, ("retry-after", "30")))],
        ),
        "a store that cannot complete for a moment": (
            Faltering,
            [Step("stripe", stripe(), ok()), Step("stripe", stripe(), duplicate())],
        ),
        "a store that cannot release for a moment": (
            Faltering,
            [Step("stripe", stripe(then="500"), ok(status=500)), Step("stripe", stripe(), ok(2))],
        ),
        "a batch and a store that cannot complete for a moment": (
            Faltering,
            [Step("listed", listed(1, 2, 3), ok(3)), Step("listed", listed(1, 2, 3), duplicate(3))],
        ),
        "a forgery while the store is down": (lambda: Faulty("claim"), [Step("stripe", stripe(secret=OTHER), rejected(401))]),
        "a tenant's": (MemoryStore, [Step("tenants", changed(stripe(), x_tenant="acme"), ok())]),
        "an unknown tenant's": (MemoryStore, [Step("tenants", stripe(), rejected(401))]),
        "a lookup that fails": (
            MemoryStore,
            [Step("tenants", changed(stripe(), x_tenant="broken"), rejected(503, 0, ("retry-after", "30")))],
        ),
    }
