"""The identity of an event, for every preset: honest events all run, and none of them twice."""

import json
from dataclasses import replace

import pytest

pytest.importorskip("cryptography", reason="some presets need the extra crypto")

from example_secrets import private_side
from samples import NOW, QUERIES, URL, form_body, found, json_body, usual_body, verifier, walk
from test_batch_presets import BODIES as EVENTS

from hookguard import ConfigurationError, Endpoint, Guard, MemoryStore, Secret, Verifier, presets
from hookguard.errors import UnconfirmedPresetWarning
from hookguard.place import EachDelivery, InBody, InHeader, InQuery
from hookguard.testing import FrozenClock

pytestmark = pytest.mark.filterwarnings(f"ignore::{UnconfirmedPresetWarning.__module__}.UnconfirmedPresetWarning")

EVERY = pytest.mark.parametrize("name", presets.names())

#: Ids of bodies that the samples write themselves.
IN_BODY = {
    "adyen": b"psp-",
    "alipay": b"n-1",
    "app-store": b"u-1",
    "aws-sns": b"m-1",
    "braintree": b"check",
    "mandrill": b"e-1",
    "messenger": b"m-1",
    "meta": b"p-1",
    "paytm": b"o-1",
    "plaid": b"note",
    "plaid-sandbox": b"note",
    "plivo": b"c-1",
    "travis": b"%22id%22%3A+1",
    "twilio": b"SM1",
    "wechat-pay": b"n-1",
    "whatsapp": b"wamid.1",
    "wecom": b"<MsgId>1",
}
#: Bodies without an id, where the usual one is not the JSON that the preset reads.
WITHOUT_ID = {
    **dict.fromkeys(("messenger", "meta", "whatsapp"), b'{"entry": [{"time": 1}, {"time": 2}]}'),
    "alipay": b"notify_type=trade&notify_time=2025-11-25+00%3A00%3A00&charset=utf-8",
    "app-store": b'{"notificationType": "TEST", "signedDate": %d}' % int(NOW * 1000),
    "travis": b"payload=%7B%22state%22%3A+%22passed%22%2C+%22repository%22%3A+%7B%22owner_name%22%3A+%22travis-ci%22%7D%7D",
    "twilio": b"Body=hello",
    "wecom": b"<xml><ToUserName>ww0123456789abcdef</ToUserName><MsgType>text</MsgType><Content>hi</Content></xml>",
    "wechat-pay": b'{"event_type": "TRANSACTION.SUCCESS", "resource_type": "encrypt-resource", "resource": {"sum": 1}}',
}
#: The id is part of what must be there for a signature, or it is made of what is signed: no verified event lacks it.
ALWAYS_NAMED = {
    "adyen",
    "aws-sns",
    "braintree",
    "mailgun",
    "paypal",
    "paytm",
    "plaid",
    "plaid-sandbox",
    "plivo",
    "twilio",
    "wecom",
}


class Keys:
    def __init__(self, name):
        self.name = name

    def get(self, wanted):
        return found(self.name)


class Receiver:
    """An endpoint of a preset with its own defaults; ``ran`` are the ids of its handler's runs."""

    def __init__(self, name, secrets=None, **options):
        preset = presets.get(name)
        checks = verifier(preset) if secrets is None else Verifier(preset, secrets, clock=lambda: NOW)
        if "url" in preset.scheme.covers:
            options["public_base_url"] = "https://example.com"
        if getattr(preset.challenge, "offers_secret", False):
            options["accept_secret"] = lambda secret, delivery: False
        self.ran = []
        self.guard = Guard(Endpoint(checks, **options), MemoryStore(clock=FrozenClock(NOW)), keys=Keys(name))

    def take(self, delivery):
        """Deliver it, and return what the provider hears and how many events ran."""
        before = len(self.ran)
        receipt = self.guard.open(delivery)
        while receipt.reply is None:
            self.ran.append(receipt.event.id)
            self.guard.settle(receipt, status=200)
            following = self.guard.next(receipt)
            if following is None:
                return 200, len(self.ran) - before
            receipt = following
        return receipt.reply.status, len(self.ran) - before


def carry(name, body=None, number=1, headers=None, *, named=True):
    """An honest delivery of the preset with the provider's id of that number; without one where it is not ``named``."""
    preset = presets.get(name)
    usual, said = usual_body(preset)
    identifier = f"id-{number:04}"
    body = (usual if body is None else body).replace(b"id-0001", identifier.encode())
    if name in IN_BODY and named:
        body = body.replace(IN_BODY[name], IN_BODY[name] + b"0" * (number - 1))
    said = {"Content-Type": "application/json", **said, **(headers or {})}
    url = URL
    for place in walk(preset.event_id) if named else []:
        if isinstance(place, InQuery):
            url += f"&{place.parameter}={identifier}"
        if isinstance(place, InHeader):
            said.setdefault(place.name, identifier)
    url += QUERIES.get(name, "")
    signer = preset if named else replace(preset, event_id=None, identity="content")
    return signer.sign(body, private_side(preset), id=identifier, type="t", timestamp=NOW, url=url, headers=said)


@EVERY
def test_an_honest_delivery_runs_and_the_same_one_again_does_not(name):
    receiver, delivery = Receiver(name), carry(name)
    status, ran = receiver.take(delivery)
    assert (status, ran > 0) == (200, True)
    again = receiver.take(delivery)
    if isinstance(presets.get(name).event_id, EachDelivery):
        assert again == (200, ran)
    else:
        assert again == (200, 0)


@EVERY
def test_honest_deliveries_with_different_ids_all_run(name):
    preset, receiver = presets.get(name), Receiver(name)
    if preset.event_id is None and name not in IN_BODY:
        pytest.skip("the provider sends no id")
    for number in (1, 2, 3):
        status, ran = receiver.take(carry(name, number=number))
        assert status == 200
        assert ran > 0, f"delivery {number} was taken for another"


@pytest.mark.parametrize("name", [name for name in presets.names() if presets.get(name).identity == "id+content"])
def test_equal_bodies_under_two_ids_are_two_events(name):
    preset = presets.get(name)
    if "body" in preset.event_id.parts and not any(isinstance(place, InHeader) for place in walk(preset.event_id)):
        pytest.skip("the id is in the body")
    receiver = Receiver(name)
    body, _ = usual_body(preset)
    named = [place.name for place in walk(preset.event_id) if isinstance(place, InHeader)]
    deliveries = [carry(name, body, headers=dict.fromkeys(named, f"id-{number}")) for number in (1, 2, 1)]
    assert [receiver.take(delivery)[1] for delivery in deliveries] == [1, 1, 0]


def test_the_content_alone_is_the_default_only_where_there_is_no_id():
    assert [name for name in presets.names() if presets.get(name).identity == "content" and presets.get(name).event_id] == []


def signs_its_id(preset):
    return any(isinstance(place, InHeader) and place.name.lower() in preset.scheme.covers for place in walk(preset.event_id))


@EVERY
def test_a_verified_event_without_an_id_runs_by_its_content(name, caplog):
    preset, receiver = presets.get(name), Receiver(name)
    if preset.event_id is None or name in ALWAYS_NAMED or signs_its_id(preset):
        pytest.skip("every verified event has one, or none has")
    body = WITHOUT_ID.get(name)
    if body is None:
        body = json_body(replace(preset, event_id=None, identity="content"))
    delivery = carry(name, body, named=False)
    assert receiver.take(delivery) == (200, len(receiver.ran))
    assert receiver.ran
    if isinstance(walk(preset.event_id)[0], EachDelivery) or "EachDelivery" in repr(preset.event_id):
        return
    said = "an event has no id" in caplog.text
    assert said is ("Content()" not in repr(preset.event_id))
    assert receiver.take(delivery) == (200, 0)


#: The proof of each member stands in the member, so no verified delivery holds one that cannot be read.
PROVED = {"adyen", "microsoft-graph"}


@pytest.mark.parametrize("name", sorted(EVENTS.keys() - PROVED))
@pytest.mark.parametrize("odd", [None, 7, "x", [], {}, {"id": None}, {"id": ""}, {"id": 1.5}], ids=repr)
def test_an_odd_event_of_a_batch_never_stops_the_others(name, odd):
    make, around = EVENTS[name]
    receiver = Receiver(name)
    for events in ([make(1), odd, make(2)], [odd, make(3)], [make(4), odd]):
        body, headers = json.dumps(around(events)).encode(), {}
        if name == "mandrill":
            body, headers = form_body({"mandrill_events": body.decode()})
        status, ran = receiver.take(carry(name, body, headers=headers))
        assert status == 200
        assert ran >= len(events) - 1


# --- an id that is unique only inside something


def as_json(**fields):
    return json.dumps(fields).encode()


def message(**within):
    return as_json(message={"messageId": "2070443601311540", "data": "e30="}, **within)


def change(**fields):
    return {"id": "e-1", "eventType": "t", "type": "t", **fields}


def whatsapp(phone):
    value = {"metadata": {"phone_number_id": phone}, "messages": [{"id": "wamid.1"}]}
    return as_json(object="whatsapp_business_account", entry=[{"id": "a-1", "changes": [{"field": "messages", "value": value}]}])


def adyen_report(account):
    item = {
        "pspReference": "report_batch_1.csv",
        "eventCode": "REPORT_AVAILABLE",
        "success": "true",
        "merchantAccountCode": account,
    }
    item |= {"amount": {"value": 0, "currency": "EUR"}, "additionalData": {}}
    return as_json(live="false", notificationItems=[{"NotificationRequestItem": item}])


def build(**times):
    payload = json.dumps({"id": 1, "state": "passed", "repository": {"owner_name": "travis-ci"}, **times})
    return form_body({"payload": payload})


JSON = {"Content-Type": "application/json"}
#: Deliveries of one id that are different events.
INSIDE = {
    "google-pubsub": [(message(subscription=f"projects/p/subscriptions/{name}"), JSON) for name in ("index", "mail")],
    "event-grid": [
        (json.dumps([change(topic="/a")]).encode(), JSON),
        (json.dumps([change(topic="/b")]).encode(), JSON),
        (json.dumps([change(topic="/b")]).encode(), {**JSON, "aeg-subscription-name": "MAIL"}),
        (as_json(**change(source="/s/1")), JSON),
        (as_json(**change(source="/s/2")), JSON),
    ],
    "monday": [(as_json(event={"triggerUuid": "u", "subscriptionId": number, "type": "t"}), JSON) for number in (1, 2)],
    "trello": [(as_json(action={"id": "a", "type": "t"}, model={"id": of}), JSON) for of in ("card", "board")],
    "notion": [(as_json(id="n", type="t", subscription_id=of), JSON) for of in ("s-1", "s-2")],
    "circleci": [(as_json(id="n", type="t", webhook={"id": of}), JSON) for of in ("w-1", "w-2")],
    "box": [(as_json(id="n", trigger="t", webhook={"id": of}), JSON) for of in ("w-1", "w-2")],
    "docusign": [
        (as_json(event="e", configurationId=of, generatedDateTime="t", data={"envelopeId": "v", "recipientId": "r"}), JSON)
        for of in (1, 2)
    ],
    "hubspot-v1": [
        (json.dumps([{"subscriptionId": 1, "eventId": 2, "occurredAt": 3, "objectId": 4, "portalId": of}]).encode(), JSON)
        for of in (1, 2)
    ],
    "viber": [
        *((as_json(event="seen", message_token=7, user_id=of), JSON) for of in ("u-1", "u-2")),
        *((as_json(event="message", message_token=7, sender={"id": of}), JSON) for of in ("u-1", "u-2")),
    ],
    "slack": [
        *((as_json(event_id="Ev1", type="t", api_app_id=of), JSON) for of in ("A1", "A2")),
        *(form_body({"command": "/x", "trigger_id": "1", "api_app_id": of}) for of in ("A1", "A2")),
    ],
    "lark-token": [(as_json(header={"event_id": "e", "app_id": of}), JSON) for of in ("cli_1", "cli_2")],
    "dingtalk-robot": [(as_json(msgId="m", robotCode=of), JSON) for of in ("r-1", "r-2")],
    "adyen": [(adyen_report(account), JSON) for account in ("shop", "club")],
    "whatsapp": [(whatsapp(phone), JSON) for phone in ("n-1", "n-2")],
    "messenger": [
        (as_json(object="page", entry=[{"id": of, "messaging": [{"message": {"mid": "m-1"}}]}]), JSON) for of in ("p-1", "p-2")
    ],
    "travis": [
        build(),
        build(started_at="2026-11-01T10:00:00Z"),
        build(started_at="2026-11-01T10:00:00Z", finished_at="2026-11-01T10:05:00Z"),
        build(started_at="2026-11-01T12:00:00Z", finished_at="2026-11-01T12:05:00Z"),
    ],
    "netlify": [
        (as_json(id="d", state="ready", locked=locked), {**JSON, "X-Netlify-Event": event})
        for event, locked in (
            ("deploy_created", None),
            ("deploy_locked", True),
            ("deploy_unlocked", None),
            ("deploy_deleted", None),
        )
    ],
    "jira": [(as_json(issue={"self": of}), {**JSON, "X-Atlassian-Webhook-Identifier": "1"}) for of in ("site-a", "site-b")],
    "sentry": [(as_json(action="resolved", data={}), {**JSON, "Request-ID": number}) for number in ("1", "2")],
}


@pytest.mark.parametrize("name", sorted(INSIDE))
def test_one_id_inside_two_things_names_two_events(name):
    receiver = Receiver(name)
    deliveries = [carry(name, body, headers=headers, named=False) for body, headers in INSIDE[name]]
    assert [receiver.take(delivery) for delivery in deliveries] == [(200, 1)] * len(deliveries)
    assert [receiver.take(delivery) for delivery in deliveries] == [(200, 0)] * len(deliveries)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("telegram", as_json(update_id=10000, message={})),
        ("asana", as_json(events=[{"action": "changed", "created_at": "t", "resource": {"gid": "1", "resource_type": "task"}}])),
    ],
)
def test_each_bot_and_each_webhook_with_a_secret_of_its_own_has_its_own_events(name, body):
    preset = presets.get(name)
    for secrets in (
        ["token-of-the-first-one", "token-of-the-second-one"],
        [Secret("the-token-of-bot-1", name="a"), Secret("the-token-of-bot-2", name="b")],
    ):
        receiver = Receiver(name, secrets)
        deliveries = [preset.sign(body, secret, timestamp=NOW, headers=JSON) for secret in secrets]
        assert [receiver.take(delivery) for delivery in deliveries * 2] == [(200, 1), (200, 1), (200, 0), (200, 0)]


def test_an_id_scope_that_nobody_signed_leaves_the_id_unsigned():
    inside = replace(presets.STRIPE, name="x", id_scope=(InBody("account"),))
    assert inside.id_covered
    with pytest.raises(ConfigurationError, match="say what makes two deliveries the same event"):
        replace(presets.STRIPE, name="x", id_scope=(InHeader("X-Topic"),))
    for wrong in ("account", ("account",), [InBody("account")]):
        with pytest.raises(ConfigurationError, match="id_scope"):
            replace(presets.STRIPE, name="x", id_scope=wrong)


# --- what a provider sends besides its events


def slack(kind):
    user, team = {"id": "U1", "team_id": "T1"}, {"id": "T1", "domain": "acme"}
    common = {"type": kind, "team": team, "user": user, "token": "t"}
    return form_body({"payload": json.dumps({**common, "callback_id": "c", "value": "Ber"})})


@pytest.mark.parametrize(
    ("name", "body", "headers"),
    [
        *(("slack", *slack(kind)) for kind in ("view_closed", "block_suggestion", "dialog_submission", "dialog_cancellation")),
        ("slack", as_json(type="app_rate_limited", team_id="T1", minute_rate_limited=1518467820), JSON),
        ("slack", *form_body({"ssl_check": "1", "token": "t"})),
        ("intercom", as_json(type="notification_event", id=None, topic="company.created"), JSON),
        ("stripe", as_json(id=None, type="ping"), JSON),
        ("square", as_json(event_id="", type="test"), JSON),
        ("typeform", as_json(event_id=1.5, event_type="form_response"), JSON),
        ("discord", as_json(type=2, id=True), JSON),
        ("vercel", as_json(id=[], type="deployment"), JSON),
        ("hubspot-v2", as_json(contact={"vid": 1}), JSON),
        ("lark-token", as_json(header={"token": "x"}), JSON),
        ("github", b'{"zen": "Speak like a human."}', {**JSON, "X-GitHub-Event": "ping"}),
    ],
)  # fmt: skip
def test_other_messages_than_events_run_once(name, body, headers):
    receiver = Receiver(name)
    delivery = carry(name, body, headers=headers, named=False)
    assert [receiver.take(delivery), receiver.take(delivery)] == [(200, 1), (200, 0)]


def test_a_menu_of_slack_may_be_asked_the_same_twice():
    """It is not sent again by Slack, so what comes at another time is another question."""
    preset = presets.SLACK
    guard = Guard(Endpoint(Verifier("slack", private_side(preset), clock=lambda: NOW + 5)), MemoryStore(clock=FrozenClock(NOW)))
    body, headers = slack("block_suggestion")
    for moment in (NOW, NOW + 1):
        receipt = guard.open(preset.sign(body, private_side(preset), timestamp=moment, headers=headers))
        assert receipt.reply is None
        guard.settle(receipt, status=200)
    assert guard.open(preset.sign(body, private_side(preset), timestamp=NOW, headers=headers)).reply.status == 200


def test_an_error_of_sentry_is_known_by_its_own_id():
    receiver = Receiver("sentry")
    body = as_json(action="created", installation={"uuid": "i"}, data={"error": {"event_id": "e-1"}})
    deliveries = [carry("sentry", body, headers={"Request-ID": number}) for number in ("1", "2")]
    assert [receiver.take(delivery) for delivery in deliveries] == [(200, 1), (200, 0)]
