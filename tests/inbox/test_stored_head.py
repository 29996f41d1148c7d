"""The kept form of an event, and the event that a worker makes from it again."""

import dataclasses
import json
from urllib.parse import unquote

import carriers
import pytest
import samples

from hookguard import Endpoint, InBody, Verifier, presets
from hookguard.batch import Batch
from hookguard.guard.receipt import Receipt
from hookguard.guard.resuming import receipt_for, resumed
from hookguard.inbox.contract import Held, Lane
from hookguard.inbox.kept import Keeper, UnreadableEntry, event_again, read_head
from hookguard.inbox.settings import InboxSettings
from hookguard.store import StoreKey

SECRET = "whsec_" + "c" * 32
BODY = b'{"id": "evt_1", "type": "invoice.paid", "n": 1.50, "customer": "c1"}'
HEADERS = {
    "Host": "shop.example",
    "Authorization": "Bearer secret-1",
    "Cookie": "session=secret-2",
    "X-Request-Id": "r1",
    "X-Other": "not asked for",
    "User-Agent": "Provider/1",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}


def event_of(preset, body=BODY, *, url="/hooks/x?a=1", **headers):
    delivery = preset.sign(body, SECRET, url=url, headers={**HEADERS, **headers})
    return Verifier(preset, SECRET).verify(delivery._replace(remote="192.0.2.7", secure=True, target=url))


def kept_of(preset, event=None, **settings):
    event = event or event_of(preset)
    endpoint = Endpoint(Verifier(preset, SECRET), name="shop")
    keeper = Keeper(endpoint="shop", preset=preset, settings=InboxSettings(**settings), retention=endpoint.retention)
    return keeper.keep(event, endpoint.key(event))


def held_of(kept, **changes):
    key = kept.key.idempotency_key
    held = Held(key=key, lane=Lane("shop"), token=b"t" * 16, attempt=2, crashes=1, received_at=12.5, kept=kept)
    return dataclasses.replace(held, **changes)


def test_the_event_made_again_is_the_event_that_came():
    event = event_of(presets.STRIPE)
    again = event_again(held_of(kept_of(presets.STRIPE, event)), presets.STRIPE)
    for name in ("id", "type", "body", "content", "provider", "secret", "timestamp", "tenant", "method", "url", "covers"):
        assert getattr(again, name) == getattr(event, name), name
    assert again.json() == event.json()
    assert (again.fingerprint(), again.digest()) == (event.fingerprint(), event.digest())
    assert (again.attempt, again.received_at) == (2, 12.5)
    assert again.idempotency_key == kept_of(presets.STRIPE, event).key.idempotency_key
    assert again.delivery.remote == "192.0.2.7"
    assert again.delivery.secure is True


@pytest.mark.parametrize("preset", [presets.STRIPE, presets.GITHUB, presets.STANDARD_WEBHOOKS], ids=lambda preset: preset.name)
def test_no_signature_token_or_unasked_header_is_kept(preset):
    event = event_of(preset)
    kept = kept_of(preset, event, keep_headers=["x-request-id"])
    names = {name for name, _ in read_head(kept).headers}
    assert "x-request-id" in names
    assert not names & {"authorization", "cookie", "x-other", "host", "content-length", *preset.scheme.signature_headers}
    for header in preset.scheme.signature_headers:
        assert event.headers[header] not in kept.head
    for secret in ("secret-1", "secret-2", "not asked for"):
        assert secret not in kept.head


def test_a_token_in_the_query_is_not_kept():
    preset = presets.SIGNED_URL
    signed = preset.sign(BODY, SECRET, url="https://shop.example/hooks/x?a=1&b=%2F", headers=HEADERS)
    target = signed.url.removeprefix("https://shop.example")
    event = Verifier(preset, SECRET).verify(signed._replace(target=target))
    kept = kept_of(preset, event)
    assert "token=" in target
    assert read_head(kept).target == "/hooks/x?a=1&b=%2F"
    assert "token" not in kept.head


@pytest.mark.parametrize("preset", [presets.get(name) for name in presets.names()], ids=lambda preset: preset.name)
def test_no_signature_of_any_preset_is_kept_and_the_event_is_the_same(preset):
    delivery = samples.signed(preset)
    for event in samples.verify(preset, delivery).events():
        keeper = Keeper(endpoint="e", preset=preset, settings=InboxSettings(), retention=1.0)
        kept = keeper.keep(event, StoreKey("s", "1"))
        head = unquote(kept.head)
        for value in [event.headers[name] for name in preset.scheme.signature_headers if name in event.headers]:
            assert value not in head
        for place in carriers.SIGNATURES.get(preset.name, ()):
            assert (found := place.find(event)) is None or found not in head
        again = event_again(held_of(kept), preset)
        for name in ("id", "type", "provider", "secret", "timestamp", "method"):
            assert getattr(again, name) == getattr(event, name), name
        assert (again.fingerprint(), again.digest()) == (event.fingerprint(), event.digest())


def test_the_head_holds_the_request_as_the_server_passed_it_on():
    head = read_head(kept_of(presets.STRIPE))
    assert head[:5] == ("POST", "/hooks/x?a=1", "shop.example", "https", "192.0.2.7")
    assert ("user-agent", "Provider/1") in head.headers


def test_an_event_of_a_batch_is_kept_alone():
    preset = dataclasses.replace(presets.STRIPE, name="listed", batch=Batch("events"), event_id=InBody("id"))
    body = b'{"events": [{"id": "e1", "type": "a", "v": 1}, {"id": "e2", "type": "b", "v": [null, "\\u00e9"]}]}'
    whole = event_of(preset, body)
    _, two = whole.events()
    again = event_again(held_of(kept_of(preset, two)), preset)
    assert (again.id, again.type) == ("e2", "b")
    assert again.json() == two.json()
    assert json.loads(again.body) == two.json()
    assert again.digest() == two.digest()
    assert b"e1" not in kept_of(preset, two).body
    assert again.headers["content-type"] == "application/json"


def test_a_head_of_another_version_is_left_alone():
    kept = kept_of(presets.STRIPE)
    with pytest.raises(UnreadableEntry, match="version '2'"):
        event_again(held_of(kept._replace(head=kept.head.replace('"v":1', '"v":2'))), presets.STRIPE)
    for broken in ("", "[]", "{}", "{", "null", "[" * 100_000, '{"v":1}'):
        with pytest.raises(UnreadableEntry):
            event_again(held_of(kept._replace(head=broken)), presets.STRIPE)


@pytest.mark.parametrize("name", ["method", "target", "host", "secure", "remote", "headers", "secret", "timestamp", "id"])
def test_a_damaged_head_is_unreadable_and_not_a_mistake_in_the_worker(name):
    kept = kept_of(presets.STRIPE)
    for wrong in ({"a": 1}, [["a"]], [5], ["ab"]):
        head = json.dumps({**json.loads(kept.head), name: wrong})
        with pytest.raises(UnreadableEntry, match="is damaged"):
            read_head(kept._replace(head=head))
        with pytest.raises(UnreadableEntry, match="is damaged"):
            event_again(held_of(kept._replace(head=head)), presets.STRIPE)


def test_a_damaged_body_of_a_batch_s_event_is_unreadable():
    preset = dataclasses.replace(presets.STRIPE, name="listed", batch=Batch("events"), event_id=InBody("id"))
    (one,) = event_of(preset, b'{"events": [{"id": "e1"}]}').events()
    with pytest.raises(UnreadableEntry, match="is damaged"):
        event_again(held_of(kept_of(preset, one)._replace(body=b'{"id')), preset)


def test_events_with_the_same_value_share_a_line():
    def line(body, **settings):
        return kept_of(presets.STRIPE, event_of(presets.STRIPE, body), **settings).line

    place = InBody("customer")
    assert line(BODY, order_by=place) == line(BODY.replace(b"evt_1", b"evt_2"), order_by=place) != None  # noqa: E711 - part of a chain
    assert line(BODY.replace(b"c1", b"c2"), order_by=place) != line(BODY, order_by=place)
    assert line(BODY) is None
    assert line(b'{"id": "evt_1"}', order_by=place) is None


def test_a_worker_s_receipt_is_taken_once_and_by_its_own_endpoint_only():
    receipt = receipt_for(held := held_of(kept_of(presets.STRIPE)), event_again(held, presets.STRIPE), 0.0)
    endpoint = Endpoint(Verifier("stripe", SECRET), name="shop")
    assert resumed(receipt, Endpoint(Verifier("stripe", SECRET), name="other")) is None
    assert not receipt.settled
    assert resumed(receipt, endpoint) is receipt
    assert resumed(receipt, endpoint) is None


class LooksLikeIt:
    """Says that it is a receipt."""

    __class__ = Receipt
    held = held_of(kept_of(presets.STRIPE))
    resumed = False


@pytest.mark.parametrize("mark", [None, "hookguard.worker", b"", LooksLikeIt(), type("Receipt", (), {})(), Receipt(0.0)])
def test_anything_but_a_worker_s_receipt_is_ignored(mark):
    assert resumed(mark, Endpoint(Verifier("stripe", SECRET), name="shop")) is None
