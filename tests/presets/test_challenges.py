"""Every provider's handshake, as its page describes it, is answered as it wants; and no answer can sign an event."""

import hashlib
import hmac
import json
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest

pytest.importorskip("cryptography", reason="the extra crypto is not installed")

from samples import ed25519_pair

from hookguard import Delivery, Endpoint, Guard, MemoryStore, Rejected, Reply, Secret, Verifier, presets
from hookguard.challenge import AnyOf, Computed
from hookguard.preset import make_keys
from hookguard.schemes.hmac import HmacKey

SECRET = "a-secret-that-is-long-enough"
JSON = {"Content-Type": "application/json"}
META = Secret.of(app_secret=SECRET, verify_token="my-verify-token")
SUBSCRIBE = "?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
GRID = [{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "id": "1", "data": {"validationCode": "512d38b6-c7b8"}}]


@dataclass(frozen=True)
class Handshake:
    """What comes, whether it is signed, and what must be answered."""

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


def guard_of(handshake):
    preset = presets.get(handshake.preset)
    options = {**handshake.options, **({"public_url": "https://a.example/hook"} if "url" in preset.scheme.covers else {})}
    return Guard(Endpoint(Verifier(preset, handshake.secret), **options), MemoryStore())


@pytest.mark.parametrize("handshake", HANDSHAKES, ids=lambda handshake: f"{handshake.preset} {handshake.method}")
def test_a_handshake_is_answered_as_its_provider_wants(handshake):
    receipt = guard_of(handshake).open(delivered(handshake))
    assert (receipt.reply.status, receipt.reply.body) == (handshake.status, handshake.answer)
    said = dict(receipt.reply.headers)
    for name, value in handshake.said.items():
        assert said[name] == value


@pytest.mark.parametrize(
    "handshake", [each for each in HANDSHAKES if each.signed], ids=lambda handshake: f"{handshake.preset} {handshake.method}"
)
def test_a_signed_one_is_answered_only_when_it_is_genuine(handshake):
    assert guard_of(handshake).open(delivered(handshake, "another-secret-of-some-length")).reply.status == 401


@pytest.mark.parametrize("secret", ["", "my-verify-tokem", "MY-VERIFY-TOKEN"])
def test_metas_is_answered_only_with_the_word(secret):
    handshake = Handshake("meta", META, method="GET", url=f"/hook{SUBSCRIBE}{secret}")
    assert guard_of(handshake).open(delivered(handshake)).reply.status == 401


@pytest.mark.parametrize("name", ["notion", "asana"])
def test_a_secret_is_taken_by_nobody_by_default(name):
    handshake = replace(next(each for each in HANDSHAKES if each.preset == name), options={})
    assert guard_of(handshake).open(delivered(handshake)).reply.status == 401


def test_discords_pings():
    private, public = ed25519_pair()
    for name, kind, answer in (
        ("discord", 1, Reply(200, (("Content-Type", "application/json"),), b'{"type":1}')),
        ("discord-events", 0, Reply(204, (("Content-Type", "application/json"),), b"")),
    ):
        guard = Guard(Endpoint(Verifier(name, public)), MemoryStore())
        delivery = presets.get(name).sign(dumped({"type": kind, "version": 1}), private)
        assert guard.open(delivery).reply == answer
        # Discord probes with wrong signatures and takes the URL away from who does not answer 401.
        assert guard.open(delivery._replace(body=delivery.body + b" ")).reply.status == 401


def challenges_of(preset):
    challenge = preset.challenge
    return challenge.challenges if isinstance(challenge, AnyOf) else (challenge,)


COMPUTED = [(preset, each) for preset in presets.BUILT_IN for each in challenges_of(preset) if isinstance(each, Computed)]
BRAINTREE = next(each.secret for each in HANDSHAKES if each.preset == "braintree")
SAMPLES = {"zoom": (SECRET, b'{"event": "meeting.started"}'), "braintree": (BRAINTREE, b"<notification/>")}


@pytest.mark.parametrize(("preset", "challenge"), COMPUTED, ids=lambda value: getattr(value, "name", ""))
def test_no_answer_signs_an_event(preset, challenge, monkeypatch):
    """What the scheme signs for an event is never of the shape whose answer is made with the same secret."""
    secret, body = SAMPLES[preset.name]
    signed = []
    honest = HmacKey.digest
    monkeypatch.setattr(HmacKey, "digest", lambda self, *parts: signed.append(b"".join(parts)) or honest(self, *parts))
    for size in (0, 1, 10, 100):
        delivery = preset.sign(body[: len(body) if size == 100 else size], secret)
        signed.clear()
        with suppress(Rejected):  # a body cut short may be refused; what was signed is what counts
            Verifier(preset, secret).verify(delivery)
        assert all(challenge.shape.fullmatch(message.decode("latin-1")) is None for message in signed)


@pytest.mark.parametrize(("preset", "challenge"), COMPUTED, ids=lambda value: getattr(value, "name", ""))
def test_a_token_that_is_an_events_signed_bytes_is_not_answered(preset, challenge):
    secret, _ = SAMPLES[preset.name]
    key = make_keys(preset, secret)[0]
    assert challenge.answer("20f9f8ed05f77439fe955c977e4c8a53", key).status == 200
    for token in ("v0:1700000000:{}", "1700000000.{}", '{"id":1}', "PG5vdGlmaWNhdGlvbi8+", "a\nb", ""):
        assert challenge.shape.fullmatch(token) is None
