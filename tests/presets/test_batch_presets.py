"""Every preset whose deliveries carry several events: what is done is not done again, and what is another event is never lost."""

import json

import pytest

pytest.importorskip("cryptography", reason="some presets need the extra crypto")

from example_secrets import private_side
from samples import NOW, URL, form_body, verifier

from hookguard import Endpoint, Guard, MemoryStore, presets
from hookguard.errors import UnconfirmedPresetWarning
from hookguard.testing import FrozenClock

pytestmark = pytest.mark.filterwarnings(f"ignore::{UnconfirmedPresetWarning.__module__}.UnconfirmedPresetWarning")


def adyen(number):
    return {
        "NotificationRequestItem": {
            "pspReference": f"psp-{number}",
            "merchantAccountCode": "shop",
            "amount": {"value": 100, "currency": "EUR"},
            "eventCode": "AUTHORISATION",
            "success": "true",
            "additionalData": {},
        }
    }


def asana(number):
    return {
        "user": {"gid": "7", "resource_type": "user"},
        "created_at": "2026-11-25T10:00:00.000Z",
        "action": "changed",
        "resource": {"gid": f"{number}", "resource_type": "task"},
        "parent": None,
        "change": {"field": "due_on", "action": "changed"},
    }


def graph(number, **fields):
    return {
        "subscriptionId": "s-1",
        "subscriptionExpirationDateTime": "2026-11-27T00:00:00Z",
        "changeType": "updated",
        "resource": "Users/u-1/Messages/m-1",
        "tenantId": "t-1",
        **(fields or {"id": f"n-{number}"}),
    }


def hubspot(number):
    return {"eventId": number, "subscriptionId": 1, "occurredAt": 2, "objectId": 3, "attemptNumber": 0}


def message(number, **fields):
    return {"from": "15550001", "id": f"wamid.{number}", "timestamp": "1749416383", "type": "text", **fields}


def whatsapp(value, field="messages", **entry):
    metadata = {"display_phone_number": "15550002", "phone_number_id": "n-1"}
    value = {"messaging_product": "whatsapp", "metadata": metadata, **value}
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "a-1", **entry, "changes": [{"field": field, "value": value}]}],
    }


def talk(number, **fields):
    what = fields or {"message": {"mid": f"m-{number}", "text": "hello"}}
    return {"sender": {"id": "u-1"}, "recipient": {"id": "p-1"}, "timestamp": 1457764197627, **what}


def page(**lists):
    return {"object": "page", "entry": [{"id": "p-1", "time": 1457764198246, **lists}]}


def like(number):
    return {"field": "feed", "value": {"item": "like", "verb": "add", "post_id": f"{number}"}}


#: The document around some events, each of which a number makes.
BODIES = {
    "adyen": (adyen, lambda events: {"live": "false", "notificationItems": events}),
    "asana": (asana, lambda events: {"events": events}),
    "event-grid": (lambda number: {"id": f"{number}", "eventType": "t"}, list),
    "gocardless": (lambda number: {"id": f"EV{number}", "resource_type": "payments", "action": "paid"}, lambda events: {"events": events}),
    "hubspot": (hubspot, list),
    "hubspot-v1": (hubspot, list),
    "hubspot-v2": (hubspot, list),
    "line": (lambda number: {"webhookEventId": f"{number}", "type": "message"}, lambda events: {"destination": "U1", "events": events}),
    "mandrill": (lambda number: {"_id": f"{number}", "event": "open", "ts": 1}, list),
    "messenger": (talk, lambda events: page(messaging=events)),
    "meta": (like, lambda events: page(changes=events)),
    "microsoft-graph": (graph, lambda events: {"value": events}),
    "okta": (lambda number: {"uuid": f"{number}", "eventType": "t"}, lambda events: {"data": {"events": events}}),
    "pusher": (
        lambda number: {"name": "member_added", "channel": "presence-1", "user_id": f"{number}"},
        lambda events: {"time_ms": int(NOW * 1000), "events": events},
    ),
    "sendgrid": (lambda number: {"sg_event_id": f"{number}", "event": "open"}, list),
    "whatsapp": (message, lambda events: whatsapp({"messages": events})),
}  # fmt: skip

EVERY = pytest.mark.parametrize("name", sorted(BODIES))


def carry(name, document):
    preset = presets.get(name)
    body = json.dumps(document).encode()
    headers = {"Content-Type": "application/json"}
    if name == "mandrill":
        body, headers = form_body({"mandrill_events": body.decode()})
    return preset.sign(body, private_side(preset), timestamp=NOW, url=URL, headers=headers)


class Receiver:
    """An endpoint, and what its handler was given."""

    def __init__(self, name):
        preset = presets.get(name)
        options = {"public_url": URL} if "url" in preset.scheme.covers else {}
        if getattr(preset.challenge, "offers_secret", False):
            options["accept_secret"] = lambda secret, delivery: False
        self.name = name
        self.guard = Guard(Endpoint(verifier(preset), **options), MemoryStore(clock=FrozenClock(NOW)))

    def take(self, document, fail=()):
        """Deliver it: the status that the provider hears, and the JSON of what ran. ``fail`` numbers runs, from 0."""
        ran = []
        receipt = self.guard.open(carry(self.name, document))
        status = None
        while receipt.reply is None:
            ran.append(receipt.event.json())
            status = 500 if len(ran) - 1 in fail else 200
            self.guard.settle(receipt, status=status)
            following = self.guard.next(receipt)
            if following is None:
                return status, ran
            receipt = following
        return receipt.reply.status, ran


@EVERY
def test_when_one_fails_the_retry_runs_that_one_and_what_is_done_runs_no_more(name):
    make, around = BODIES[name]
    receiver = Receiver(name)
    document = around([make(number) for number in (1, 2, 3)])
    status, ran = receiver.take(document, fail={1})
    assert (status, len(ran)) == (500, 3)
    assert receiver.take(document) == (200, [ran[1]])
    assert receiver.take(document) == (200, [])


@EVERY
def test_no_two_events_are_taken_for_one(name):
    make, around = BODIES[name]
    status, ran = Receiver(name).take(around([make(number) for number in range(10)]))
    assert (status, len(ran)) == (200, 10)
    assert len({json.dumps(each, sort_keys=True) for each in ran}) == 10


@EVERY
def test_the_same_event_among_others_is_a_duplicate(name):
    make, around = BODIES[name]
    receiver = Receiver(name)
    assert len(receiver.take(around([make(1), make(2)]))[1]) == 2
    assert receiver.take(around([make(2)])) == (200, [])
    ran = receiver.take(around([make(3), make(1)]))[1]
    assert len(ran) == 1
    assert ran == Receiver(name).take(around([make(3)]))[1]


def test_the_table_is_whole():
    assert set(BODIES) == {preset.name for preset in presets.BUILT_IN if preset.batch is not None}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"resourceData": {"@odata.etag": 'W/"1"'}}, {"resourceData": {"@odata.etag": 'W/"2"'}}),
        ({"encryptedContent": {"dataSignature": "aa="}}, {"encryptedContent": {"dataSignature": "bb="}}),
        ({"id": "1"}, {"id": "1", "subscriptionId": "s-2"}),
        ({"resourceData": {"@odata.etag": "1"}}, {"resourceData": {"@odata.etag": "1"}, "changeType": "deleted"}),
        ({"resourceData": {"@odata.etag": "1"}}, {"resourceData": {"@odata.etag": "1"}, "resource": "Users/u-1/Messages/m-2"}),
    ],
)
def test_graph_notifications_are_distinguished_by_their_fields(first, second):
    receiver = Receiver("microsoft-graph")
    document = {"value": [graph(0, **first), graph(0, **second)]}
    status, ran = receiver.take(document, fail={0})
    assert (status, len(ran)) == (500, 2)
    assert receiver.take(document) == (200, ran[:1])
    assert receiver.take({"value": document["value"][::-1]}) == (200, [])


@pytest.mark.parametrize(
    "bare",
    [{"resource": "me/drive/root"}, {"changeType": None, "lifecycleEvent": "missed"}, {"resourceData": {"id": "m-1"}}],
    ids=["a drive", "a lifecycle", "no version"],
)
def test_indistinguishable_graph_notifications_are_all_handled(bare):
    """Each change of a drive says the same: a duplicate would be a change that nobody handles."""
    receiver = Receiver("microsoft-graph")
    for _ in range(2):
        status, ran = receiver.take({"value": [graph(0, **bare), graph(0, **bare), graph(1)]}, fail={0})
        assert status == 500
    assert len(ran) == 2  # the one with an id is done


def test_each_whatsapp_message_and_status_runs_with_all_that_stands_around_it():
    contacts = [{"wa_id": "15550001"}, {"wa_id": "15550009"}]
    status = {"id": "wamid.9", "status": "sent", "timestamp": "1"}
    receiver = Receiver("whatsapp")
    _, ran = receiver.take(whatsapp({"contacts": contacts, "messages": [message(1), message(2)], "statuses": [status]}))
    assert ran == [
        whatsapp({"contacts": contacts, "messages": [message(1)]}),
        whatsapp({"contacts": contacts, "messages": [message(2)]}),
        whatsapp({"contacts": contacts, "statuses": [status]}),
    ]
    # With other neighbours, contacts and attachments' addresses they are the same.
    assert receiver.take(whatsapp({"contacts": contacts[:1], "messages": [message(1, image={"url": "?sig=2"})]})) == (200, [])
    assert receiver.take(whatsapp({"statuses": [status]})) == (200, [])


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "delivered"},
        {"recipient_participant_id": "15550003"},
        {"timestamp": "2"},
        {"type": "payment", "payment": {"transaction": {"id": "2"}}},
        {"id": "wamid.2"},
    ],
    ids=str,
)
def test_every_status_of_a_whatsapp_message_is_one_of_its_own(fields):
    status = {"id": "wamid.1", "status": "sent", "timestamp": "1", "recipient_participant_id": "15550004"}
    receiver = Receiver("whatsapp")
    assert len(receiver.take(whatsapp({"statuses": [status]}))[1]) == 1
    assert len(receiver.take(whatsapp({"statuses": [status, {**status, **fields}]}))[1]) == 1


def test_the_id_of_a_whatsapp_message_is_the_events():
    event = verifier(presets.WHATSAPP).verify(carry("whatsapp", whatsapp({"messages": [message(1)]}))).events()[0]
    assert (event.id, event.type) == ("wamid.1", "messages")


def test_whatsapp_news_without_a_list_are_one_event_each_time():
    news = whatsapp({"event": "APPROVED", "message_template_id": 1}, field="message_template_status_update", time=1)
    later = whatsapp({"event": "APPROVED", "message_template_id": 1}, field="message_template_status_update", time=2)
    receiver = Receiver("whatsapp")
    assert [receiver.take(document) for document in (news, news, later)] == [(200, [news]), (200, []), (200, [later])]
    failing = whatsapp({"errors": [{"code": 130429}], "messages": []})
    assert receiver.take(failing) == (200, [failing])


@pytest.mark.parametrize("name", ["messenger", "meta"])
def test_each_status_of_a_message_is_another_event(name):
    receiver = Receiver(name)
    events = [
        talk(1),
        talk(0, message={"mid": "m-1", "is_deleted": True}),
        talk(0, message={"mid": "m-1", "is_echo": True}),
        talk(0, reaction={"mid": "m-1", "action": "react"}),
        talk(0, reaction={"mid": "m-1", "action": "unreact"}),
        talk(0, read={"watermark": 1}),
        talk(0, read={"watermark": 2}),
        talk(0, postback={"mid": "m-1", "payload": "YES"}),
    ]
    assert len(receiver.take(page(messaging=events, standby=[talk(1)], changes=[like(1)]))[1]) == 10
    assert receiver.take(page(messaging=events[::-1], standby=[talk(1)], changes=[like(1)])) == (200, [])
    ids = [event.id for event in verifier(presets.get(name)).verify(carry(name, page(messaging=events[:3]))).events()]
    assert ids == ["m-1", "m-1/is_deleted", "m-1/is_echo"]
    assert repr(presets.MESSENGER.event_id) == "FirstOf(MessageId(), Content())"


def test_a_change_in_another_account_or_at_another_time_is_another_one():
    receiver = Receiver("meta")
    document = page(changes=[like(1), like(1)])
    document["entry"] += [{**document["entry"][0], "id": "p-2"}, {**document["entry"][0], "time": 2}]
    assert len(receiver.take(document)[1]) == 6
    assert receiver.take(document) == (200, [])


def test_an_entry_that_only_names_what_changed_is_one_event():
    document = {
        "object": "user",
        "entry": [{"id": "1", "time": 1, "changed_fields": ["photos"]}, {"id": "2", "time": 1, "changes": []}],
    }
    receiver = Receiver("meta")
    _, ran = receiver.take(document)
    assert [each["entry"] for each in ran] == [document["entry"][:1], document["entry"][1:]]


@pytest.mark.parametrize("odd", [{"0": {"message": {"mid": "m"}}}, "x", None, [["x"]], [1]], ids=repr)
def test_a_malformed_list_of_messages_is_survived(odd):
    status, ran = Receiver("messenger").take(page(messaging=odd))
    assert (status, len(ran)) == (200, 1)


def test_a_member_that_joins_again_is_another_event():
    make, _ = BODIES["pusher"]
    receiver = Receiver("pusher")
    at = int(NOW * 1000)
    assert receiver.take({"time_ms": at, "events": [make(1), make(1)]})[1] == [{"time_ms": at, "events": [make(1)]}] * 2
    assert receiver.take({"time_ms": at, "events": [make(1), make(1)]}) == (200, [])
    assert len(receiver.take({"time_ms": at + 1, "events": [make(1)]})[1]) == 1


def test_asana_asks_who_is_there():
    receiver = Receiver("asana")
    assert receiver.take({"events": []}) == (200, [])
    assert receiver.take({"events": [asana(1)]}) == (200, [asana(1)])
    event = verifier(presets.ASANA).verify(carry("asana", {"events": [asana(1)]})).events()[0]
    assert event.type == "task/changed"
