"""The handshake of every provider that has one, as the provider's page describes it."""

import hashlib
import hmac
import json
from dataclasses import dataclass, field

from hookguard import Delivery, Secret, presets

SECRET = "a-secret-that-is-long-enough"
JSON = {"Content-Type": "application/json"}
META = Secret.of(app_secret=SECRET, verify_token="my-verify-token")
SUBSCRIBE = "?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
GRID = [{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "id": "1", "data": {"validationCode": "512d38b6-c7b8"}}]


@dataclass(frozen=True)
class Handshake:
    """A provider's request, whether it is signed, and the answer that the provider expects."""

    preset: str
    secret: Secret | str = SECRET
    method: str = "POST"
    url: str = "/hook"
    body: bytes = b""
    headers: dict = field(default_factory=dict)
    signed: bool = False
    status: int = 200
    answer: bytes = b""
    said: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)


def dumped(document):
    return json.dumps(document).encode()


HANDSHAKES = [
    Handshake("slack", body=dumped({"type": "url_verification", "challenge": "3eZbrw1aB", "token": "x"}), signed=True, answer=b"3eZbrw1aB"),
    Handshake(
        "twitch",
        body=dumped({"challenge": "pogchamp-kappa-360noscope-vohiyo", "subscription": {"status": "webhook_callback_verification_pending"}}),
        headers={"Twitch-Eventsub-Message-Type": "webhook_callback_verification"},
        signed=True,
        answer=b"pogchamp-kappa-360noscope-vohiyo",
        said={"Content-Type": "text/plain; charset=utf-8"},
    ),
    Handshake(
        "zoom",
        body=dumped({"event": "endpoint.url_validation", "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}, "event_ts": 1654503849680}),
        signed=True,
        answer=json.dumps(
            {
                "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
                "encryptedToken": hmac.new(SECRET.encode(), b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256).hexdigest(),
            },
            separators=(",", ":"),
        ).encode(),
        said=JSON,
    ),
    Handshake("dropbox", method="GET", url="/hook?challenge=abc123", answer=b"abc123", said={"X-Content-Type-Options": "nosniff"}),
    *(Handshake(name, META, method="GET", url=f"/hook{SUBSCRIBE}my-verify-token", answer=b"1158201444") for name in ("meta", "whatsapp", "messenger")),
    Handshake(
        "microsoft-graph",
        url="/hook?validationToken=Validation%3a+Testing+client+application+reachability+for+subscription+Request-Id%3a+522a8e7e-096a",
        headers={"Content-Type": "text/plain"},
        answer=b"Validation: Testing client application reachability for subscription Request-Id: 522a8e7e-096a",
        said={"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"},
    ),
    Handshake("okta", method="GET", headers={"X-Okta-Verification-Challenge": "abc_1"}, answer=b'{"verification":"abc_1"}', said=JSON),
    Handshake("event-grid", url="/hook", body=dumped(GRID), headers=JSON, signed=True, answer=b'{"validationResponse":"512d38b6-c7b8"}'),
    Handshake(
        "event-grid",
        method="OPTIONS",
        headers={"WebHook-Request-Origin": "eventgrid.azure.net"},
        said={"WebHook-Allowed-Origin": "eventgrid.azure.net"},
    ),
    *(Handshake(name, method="HEAD") for name in ("intercom", "trello", "mandrill")),
    Handshake("monday", body=b'{"challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd"}', answer=b'{"challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd"}', said=JSON),
    Handshake("notion", body=b'{"verification_token":"secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"}', options={"accept_secret": lambda *_: True}),
    Handshake(
        "asana",
        headers={"X-Hook-Secret": "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81"},
        said={"X-Hook-Secret": "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81"},
        options={"accept_secret": lambda *_: True},
    ),
    # https://github.com/braintree/braintree_python, test_verify_returns_a_correct_challenge_response
    Handshake(
        "braintree",
        Secret.of(public_key="integration_public_key", private_key="integration_private_key"),
        method="GET",
        url="/hook?bt_challenge=20f9f8ed05f77439fe955c977e4c8a53",
        answer=b"integration_public_key|d9b899556c966b3f06945ec21311865d35df3ce4",
    ),
    Handshake(
        "mailersend",
        body=dumped({"type": "webhook.test", "message": "This is a ping test message", "created_at": "2026-03-27T07:24:20.577080Z"}),
        headers={"Signature": "6b" * 32},
    ),
    Handshake("woocommerce", body=b"webhook_id=123", headers={"Content-Type": "application/x-www-form-urlencoded"}),
    Handshake("lark-token", body=dumped({"type": "url_verification", "token": SECRET, "challenge": "abc"}), answer=b'{"challenge":"abc"}', said=JSON),
    Handshake("line", body=b'{"destination":"U1","events":[]}', signed=True),
]  # fmt: skip


def delivered(handshake, secret=None):
    preset = presets.get(handshake.preset)
    if handshake.signed:
        delivery = preset.sign(handshake.body, secret or handshake.secret, url=handshake.url, headers=handshake.headers)
        return delivery._replace(method=handshake.method)
    return Delivery(handshake.body, handshake.headers, handshake.method, handshake.url)
