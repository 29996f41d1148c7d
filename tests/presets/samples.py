"""An honest delivery of every preset, made from what the preset itself says: where the id is, where the type is, what is signed."""

import json
from datetime import datetime, timedelta, timezone
from functools import cache
from urllib.parse import urlencode

from example_secrets import PAIRS, SHARED, private_side, public_side
from scheme_keys import ec_pair, ed25519_pair, rsa_pair

from hookguard import Delivery, Event, Preset, Secret, Verifier, presets
from hookguard.place import FirstOf, InBody, InHeader, InQuery, Joined
from hookguard.schemes.jwt import JwsKey
from hookguard.schemes.public_key import read_key, read_public_key

NOW = 1_764_000_000.0
URL = "https://example.com/hooks/one?tenant=7"


def walk(place):
    """Every place there is to fill: of alternatives the first."""
    if isinstance(place, FirstOf):
        return walk(place.places[0])
    if isinstance(place, Joined):
        return [each for inner in place.places for each in walk(inner)]
    return [place] if place is not None else []


def put(document, path, value):
    steps = path.split(".")
    for step in steps[:-1]:
        document = document.setdefault(step, {})
    document.setdefault(steps[-1], value)


def event_body(preset):
    """One event's JSON, with an id and a type where the preset looks for them."""
    document = {"note": "ünï"}
    for place, value in ((preset.event_id, "id-0001"), (preset.event_type, "thing.happened")):
        for one in walk(place):
            if isinstance(one, InBody):
                put(document, one.path, value)
    return document


def json_body(preset):
    document = event_body(preset)
    stamp = getattr(preset.scheme, "timestamp", None)
    if isinstance(stamp, InBody):
        put(document, stamp.path, int(NOW * 1000) if preset.scheme.timestamp_unit == "ms" else int(NOW))
    if preset.batch is None:
        return json.dumps(document).encode()
    listed = [document, {**document, "second": True}]
    for step in reversed(preset.batch.items.split(".") if preset.batch.items else []):
        listed = {step: listed}
    return json.dumps(listed).encode()


def form_body(fields):
    return urlencode(fields).encode(), {"Content-Type": "application/x-www-form-urlencoded"}


#: Bodies that no place tells of: (body, headers).
BODIES = {
    "adyen": lambda: (
        json.dumps(
            {
                "live": "false",
                "notificationItems": [
                    {
                        "NotificationRequestItem": {
                            "pspReference": f"psp-{number}",
                            "merchantAccountCode": "shop",
                            "merchantReference": "order",
                            "amount": {"value": 100, "currency": "EUR"},
                            "eventCode": "AUTHORISATION",
                            "success": "true",
                            "additionalData": {},
                        }
                    }
                    for number in (1, 2)
                ],
            }
        ).encode(),
        {},
    ),
    "alipay": lambda: form_body(
        {"notify_id": "n-1", "notify_type": "trade", "notify_time": "2025-11-25 00:00:00", "charset": "utf-8"}
    ),
    "app-store": lambda: (b'{"notificationUUID": "u-1", "notificationType": "TEST", "signedDate": %d}' % int(NOW * 1000), {}),
    "aws-sns": lambda: (
        json.dumps(
            {
                "Type": "Notification",
                "MessageId": "m-1",
                "TopicArn": "arn:aws:sns:us-east-1:123456789012:orders",
                "Message": "hello",
                "Timestamp": "2025-11-24T16:00:00.000Z",
                "SignatureVersion": "2",
                "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
            }
        ).encode(),
        {"Content-Type": "text/plain"},
    ),
    "braintree": lambda: (b"<notification><kind>check</kind><timestamp>2025-11-24T16:00:00Z</timestamp></notification>", {}),
    "mandrill": lambda: form_body({"mandrill_events": '[{"_id": "e-1", "event": "send"}, {"_id": "e-2", "event": "open"}]'}),
    "meta": lambda: (
        json.dumps(
            {
                "object": "page",
                "entry": [
                    {"id": "p-1", "time": 1, "changes": [{"field": "feed", "value": {"verb": "add"}}]},
                    {"id": "p-2", "time": 2, "messaging": [{"timestamp": 3, "message": {"mid": "m-1", "text": "ünï"}}]},
                ],
            }
        ).encode(),
        {},
    ),
    "messenger": lambda: (
        json.dumps(
            {
                "object": "page",
                "entry": [
                    {"id": "p-1", "messaging": [{"message": {"mid": "m-1", "text": "ünï"}}, {"read": {"watermark": 4}}]},
                    {"id": "p-1", "standby": [{"message": {"mid": "m-2"}}]},
                ],
            }
        ).encode(),
        {},
    ),
    "paytm": lambda: form_body({"ORDERID": "o-1", "STATUS": "TXN_SUCCESS", "TXNAMOUNT": "1.00"}),
    "plivo": lambda: form_body({"CallUUID": "c-1", "Event": "Hangup"}),
    "pusher": lambda: (
        json.dumps(
            {
                "time_ms": int(NOW * 1000),
                "events": [
                    {"name": "channel_occupied", "channel": "ünï"},
                    {"name": "member_added", "channel": "c", "user_id": "1"},
                ],
            }
        ).encode(),
        {},
    ),
    "travis": lambda: form_body(
        {"payload": '{"id": 1, "state": "passed", "type": "push", "repository": {"owner_name": "travis-ci", "name": "r"}}'}
    ),
    "twilio": lambda: form_body({"MessageSid": "SM1", "Body": "hello"}),
    "whatsapp": lambda: (
        json.dumps(
            {
                "object": "whatsapp_business_account",
                "entry": [
                    {
                        "id": "a-1",
                        "changes": [
                            {
                                "field": "messages",
                                "value": {
                                    "metadata": {"phone_number_id": "n-1"},
                                    "messages": [{"id": "wamid.1", "text": {"body": "ünï"}}, {"id": "wamid.2"}],
                                },
                            },
                            {"field": "messages", "value": {"statuses": [{"id": "wamid.3", "status": "read"}]}},
                        ],
                    }
                ],
            }
        ).encode(),
        {},
    ),
    "wecom": lambda: (
        b"<xml><ToUserName>ww0123456789abcdef</ToUserName><MsgId>1</MsgId><MsgType>text</MsgType><Content>hi</Content></xml>",
        {"Content-Type": "text/xml"},
    ),
    "wechat-pay": lambda: (
        b'{"id": "n-1", "event_type": "TRANSACTION.SUCCESS", "resource_type": "encrypt-resource", "resource": {"sum": 1}}',
        {},
    ),
}


def signed(preset: Preset, *, now: float = NOW, secret: Secret | None = None) -> Delivery:
    """An honest delivery."""
    return _signed(preset.name, now) if secret is None else _sign(preset, now, secret)


@cache
def _signed(name: str, now: float) -> Delivery:
    return _sign(presets.get(name), now, private_side(presets.get(name)))


def _sign(preset: Preset, now: float, secret: Secret | str) -> Delivery:
    body, headers = BODIES[preset.name]() if preset.name in BODIES else (json_body(preset), {})
    headers = {"Content-Type": "application/json", **headers}
    url = URL
    for place in walk(preset.event_id):
        if isinstance(place, InQuery):
            url += f"&{place.parameter}=id-0001"
        if isinstance(place, InHeader):
            headers.setdefault(place.name, "id-0001")
    if preset.name == "mercado-pago":
        url += "&data.id=ABC"
    if now != NOW:
        body = redated(preset, body, now)
    return preset.sign(body, secret, id="id-0001", type="thing.happened", timestamp=now, url=url, headers=headers)


def redated(preset, body, now):
    """The same body at another time, where the timestamp that is signed stands in it."""
    stamp = getattr(preset.scheme, "timestamp", None)
    if isinstance(stamp, InBody):
        old = int(NOW * 1000) if preset.scheme.timestamp_unit == "ms" else int(NOW)
        return body.replace(str(old).encode(), str(int(now * (1000 if preset.scheme.timestamp_unit == "ms" else 1))).encode())
    moment = datetime.fromtimestamp(now, timezone.utc)
    if preset.name == "aws-sns":
        return body.replace(b"2025-11-24T16:00:00.000Z", moment.strftime("%Y-%m-%dT%H:%M:%S.000Z").encode())
    if preset.name == "alipay":
        return body.replace(
            b"2025-11-25+00%3A00%3A00", (moment + timedelta(hours=8)).strftime("%Y-%m-%d+%H%%3A%M%%3A%S").encode()
        )
    return body


#: What is fetched for presets whose provider publishes its keys.
FOUND = {
    "aws-sns": lambda: read_key(rsa_pair()[1]),
    "google-pubsub": lambda: JwsKey(read_key(rsa_pair()[1]), "RS256"),
    "paypal": lambda: read_public_key(rsa_pair()[1], "rsa-sha256"),
    "plaid": lambda: JwsKey(read_key(ec_pair()[1]), "ES256"),
    "plaid-sandbox": lambda: JwsKey(read_key(ec_pair()[1]), "ES256"),
    "travis": lambda: read_public_key(rsa_pair()[1], "rsa-sha1"),
    "truelayer": lambda: JwsKey(read_key(ec_pair(curve="p521")[1]), "ES512"),
}


@cache
def found(name):
    return FOUND[name]() if name in FOUND else None


@cache
def _verifier(name: str, now: float) -> Verifier:
    return Verifier(name, public_side(presets.get(name)), clock=lambda: now)


def verifier(preset: Preset, *, secret: Secret | str | None = None, now: float = NOW) -> Verifier:
    return _verifier(preset.name, now) if secret is None else Verifier(preset, secret, clock=lambda: now)


def verify(preset: Preset, delivery: Delivery, **options) -> Event:
    """Verify as a guard does: what is wanted is asked for first, and found."""
    checking = verifier(preset, **options)
    wanted = checking.wants(delivery)
    return checking.verify(delivery, found=found(preset.name) if wanted is not None else None)


def another(preset: Preset) -> tuple[Secret | str, object]:
    """Somebody else's secret, and the key that would be fetched for it."""
    name = preset.name
    if name in FOUND:
        algorithm = {"paypal": "rsa-sha256", "travis": "rsa-sha1"}.get(name)
        if algorithm:
            return public_side(preset), read_public_key(rsa_pair("other")[1], algorithm)
        if name == "aws-sns":
            return public_side(preset), read_key(rsa_pair("other")[1])
        kind, pair = {
            "google-pubsub": ("RS256", rsa_pair("other")),
            "truelayer": ("ES512", ec_pair("other", curve="p521")),
        }.get(name, ("ES256", ec_pair("other")))
        return public_side(preset), JwsKey(read_key(pair[1]), kind)
    if name == "app-store":
        theirs = {field: public_side(preset).field(field) for field in preset.scheme.secret_fields}
        return Secret.of(**{**theirs, "root_fingerprint": "ab" * 32}), None
    if name == "wechat-pay":
        return Secret.of(public_keys={"SERIAL": rsa_pair("other")[1]}, api_v3_key="fedcba98765432100123456789abcdef"), None
    if name in PAIRS:
        mine = PAIRS[name]()[1]
        for pair in (rsa_pair, ec_pair, ed25519_pair):
            if mine == pair()[1]:
                return pair("other")[1], None
        raise AssertionError(f"say what another key of {name} is")
    if name in SHARED:
        given = SHARED[name]
        assert isinstance(given, Secret)
        fields = {
            field: given.value(field) if field != "public_keys" else dict(given.mapping(field))
            for field in preset.scheme.secret_fields
        }
        first = preset.scheme.secret_fields[0]
        return Secret.of(**{**fields, first: "another-token"}), None
    return Secret.exact(b"another:3210987654fedcba98765432"), None
