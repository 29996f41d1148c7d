"""An honest delivery of every preset, made from what the preset itself says: where the id is, where the type is, what is signed."""

import json
from datetime import datetime, timedelta, timezone
from functools import cache
from urllib.parse import urlencode

from example_secrets import PAIRS, SHARED, private_side, public_side
from scheme_keys import ec_pair, ed25519_pair, rsa_pair

from hookguard import Delivery, Event, Preset, Secret, Verifier, presets
from hookguard.place import FirstOf, InBody, InHeader, InQuery, Joined
from hookguard.schemes.jws import JwsKey
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


#: Bodies that no place describes: (body, headers).
BODIES = {
    "adyen": lambda: (
        json.dumps(
            {
                "live": "false",
                "notificationItems": [
                    {
                        "NotificationRequestItem": {
                            "pspReference": f"psp-{number}",
                            "originalReference": f"original-{number}",
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
                "Subject": "news",
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


#: The rest of the query. A flipped bit makes %9f of this nonce, which is not valid UTF-8.
QUERIES = {"dingtalk": "&nonce=0e9f1b2c3d", "mercado-pago": "&data.id=ABC", "wecom": "&nonce=0e9f1b2c3d"}


def signed(preset: Preset, *, now: float = NOW, secret: Secret | None = None) -> Delivery:
    """An honest delivery."""
    return _signed(preset.name, now) if secret is None else _sign(preset, now, secret)


@cache
def _signed(name: str, now: float) -> Delivery:
    return _sign(presets.get(name), now, private_side(presets.get(name)))


def usual_body(preset: Preset) -> tuple[bytes, dict[str, str]]:
    """The body before signing, and the headers that describe it."""
    return BODIES[preset.name]() if preset.name in BODIES else (json_body(preset), {})


def _sign(preset: Preset, now: float, secret: Secret | str, body: bytes | None = None, url: str = URL) -> Delivery:
    usual, headers = usual_body(preset)
    body = usual if body is None else body
    headers = {"Content-Type": "application/json", **headers}
    for place in walk(preset.event_id):
        if isinstance(place, InQuery):
            url += f"&{place.parameter}=id-0001"
        if isinstance(place, InHeader):
            headers.setdefault(place.name, "id-0001")
    url += QUERIES.get(preset.name, "")
    if now != NOW:
        body = redated(preset, body, now)
    return preset.sign(body, secret, id="id-0001", type="thing.happened", timestamp=now, url=url, headers=headers)


def confirmation() -> Delivery:
    """The request of SNS for a subscription: other fields are signed than of a notification, and here with SHA-1."""
    topic = "arn:aws:sns:us-east-1:123456789012:orders"
    message = {
        "Type": "SubscriptionConfirmation",
        "MessageId": "m-2",
        "Token": "abc123",
        "TopicArn": topic,
        "Message": "hello",
        "SubscribeURL": f"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={topic}&Token=abc123",
        "Timestamp": "2025-11-24T16:00:00.000Z",
        "SignatureVersion": "1",
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
    }
    return _sign(presets.AWS_SNS, NOW, private_side(presets.AWS_SNS), json.dumps(message).encode())


def routed_mail() -> Delivery:
    """The message of Mailgun's routes: the signature's fields in a form."""
    body, headers = form_body({"subject": "hello", **json.loads(signed(presets.MAILGUN).body)["signature"]})
    return Delivery(body, headers, url=URL)


def older_callback() -> Delivery:
    """DingTalk's signature under its older name."""
    delivery = signed(presets.DINGTALK)
    return delivery._replace(url=delivery.url.replace("msg_signature=", "signature="))


#: Honest deliveries besides the usual one, where the signature comes in another way or covers something else.
OTHERS = {"aws-sns": confirmation, "dingtalk": older_callback, "mailgun": routed_mail}


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


#: Documents fetched for presets whose provider publishes its keys.
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


#: Another customer of the same provider, whose keys are published and the same for all: what differs is what the secret says.
_NEXT_DOOR = {
    "aws-sns": {"topic_arn": "arn:aws:sns:us-east-1:123456789012:refunds"},
    "app-store": {"bundle_id": "com.example.other"},
    "google-pubsub": {"audience": "https://example.com/other", "email": "push@other.iam.gserviceaccount.com"},
    "paypal": {"webhook_id": "11111111AA2222222"},
    "plaid": {"client_id": "other", "secret": "fedcba9876543210"},
    "plaid-sandbox": {"client_id": "other", "secret": "fedcba9876543210"},
    "travis": {"owner": "somebody-else"},
    "truelayer": {"environment": "production"},
}


def neighbour(preset: Preset) -> tuple[Secret | str, Secret | str]:
    """The other customer's secret: what their provider signs with, and what their endpoint is configured with."""
    name = preset.name
    if name in _NEXT_DOOR:
        sides = []
        for mine in (private_side(preset), public_side(preset)):
            fields = {
                field: mine.value(field)
                for field in (*preset.scheme.secret_fields, *preset.scheme.optional_fields)
                if mine.has(field)
            }
            sides.append(Secret.of(**{**fields, **_NEXT_DOOR[name]}))
        if name.startswith("plaid"):
            # Plaid's keys are an account's own.
            fields = _NEXT_DOOR[name]
            sides[0] = Secret.of(**fields, private_key=ec_pair("other")[0], key_id="kid-1")
        return tuple(sides)
    if name == "wechat-pay":
        pair = rsa_pair("other")
        return tuple(Secret.of(public_keys={"SERIAL": key}, api_v3_key="fedcba98765432100123456789abcdef") for key in pair)
    if name in PAIRS:
        mine = PAIRS[name]()[1]
        return next(pair("other") for pair in (rsa_pair, ec_pair, ed25519_pair) if pair()[1] == mine)
    secret, _ = another(preset)
    return secret, secret


def sent_to(url: str, preset: Preset) -> Delivery:
    """The usual delivery, at another URL."""
    return _sign(preset, NOW, private_side(preset), url=url)


def sent_to_the_neighbour(preset: Preset, url: str, secret: Secret | str) -> Delivery:
    """The neighbour's own delivery, at their URL and about what is theirs."""
    body, _ = usual_body(preset)
    body = body.replace(b":orders", b":refunds").replace(b"travis-ci", b"somebody-else")
    return _sign(preset, NOW, secret, body, url)


class Published:
    """The provider's keys, for every caller; where they are an account's own, those of the account that asks."""

    def __init__(self, name):
        self._name = name

    def get(self, wanted):
        if b"other" in (wanted.body or b""):
            return JwsKey(read_key(ec_pair("other")[1]), "ES256")
        return found(self._name)


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
