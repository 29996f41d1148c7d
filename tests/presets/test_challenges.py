"""Every provider's handshake, as its page describes it, is answered as it wants; and no answer can sign an event."""

from contextlib import suppress
from dataclasses import replace

import pytest

pytest.importorskip("cryptography", reason="the extra crypto is not installed")

from handshakes import HANDSHAKES, META, SECRET, SUBSCRIBE, Handshake, delivered, dumped
from samples import ed25519_pair

from hookguard import Endpoint, Guard, MemoryStore, Rejected, Reply, Verifier, presets
from hookguard.challenge import AnyOf, Computed
from hookguard.preset import make_keys
from hookguard.schemes.hmac import HmacKey


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


def test_discords_pings_are_answered_and_forgeries_get_401():
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
    """The signed text of an event never has the shape whose answer is made with the same secret."""
    secret, body = SAMPLES[preset.name]
    signed = []
    honest = HmacKey.digest
    monkeypatch.setattr(HmacKey, "digest", lambda self, *parts: signed.append(b"".join(parts)) or honest(self, *parts))
    for size in (0, 1, 10, 100):
        delivery = preset.sign(body[: len(body) if size == 100 else size], secret)
        signed.clear()
        with suppress(Rejected):  # a body cut short may be rejected; what was signed is what counts
            Verifier(preset, secret).verify(delivery)
        assert all(challenge.shape.fullmatch(message.decode("latin-1")) is None for message in signed)


@pytest.mark.parametrize(("preset", "challenge"), COMPUTED, ids=lambda value: getattr(value, "name", ""))
def test_a_token_that_is_an_events_signed_bytes_is_not_answered(preset, challenge):
    secret, _ = SAMPLES[preset.name]
    key = make_keys(preset, secret)[0]
    assert challenge.answer("20f9f8ed05f77439fe955c977e4c8a53", key).status == 200
    for token in ("v0:1700000000:{}", "1700000000.{}", '{"id":1}', "PG5vdGlmaWNhdGlvbi8+", "a\nb", ""):
        assert challenge.shape.fullmatch(token) is None
