"""No signature, token or secret stands where people read: ids, store keys, log lines, metrics, reprs."""

import logging

import pytest
from carriers import signatures, text_at
from samples import URL, found, signed, verifier, verify

from hookguard import ConfigurationError, Endpoint, Guard, MemoryStore, Outcome, Preset, SignatureHeader, Verifier, presets
from hookguard.place import FirstOf, InBody, InHeader, InQuery, Joined
from hookguard.schemes import HmacScheme, TokenScheme

EVERY = pytest.mark.parametrize("preset", [presets.get(name) for name in presets.names()], ids=presets.names())


class Found:
    def __init__(self, key):
        self.key = key

    def get(self, wanted):
        return self.key


@EVERY
@pytest.mark.parametrize("identity", [None, "id+content", "content"])
def test_no_signature_stands_in_what_people_read(preset, identity, caplog):
    caplog.set_level(logging.DEBUG)
    delivery = signed(preset)
    secret = [text_at(place, preset, delivery) for place in signatures(preset, delivery)]
    secret = [text for text in secret if text]
    assert secret
    if preset.event_id is None and identity == "id+content":
        pytest.skip("its events carry no id")
    seen = []
    endpoint = Endpoint(verifier(preset), identity=identity, public_url=URL, observers=[seen.append])
    guard = Guard(endpoint, MemoryStore(), keys=Found(found(preset.name)))
    receipt = guard.open(delivery)
    if receipt.reply is None:
        guard.settle(receipt, status=200)
    event = verify(preset, delivery)
    shown = [repr(delivery), repr(event), event.type, *map(str, seen), *(record.getMessage() for record in caplog.records)]
    if preset.batch is None:
        key = endpoint.key(event)
        shown += [key.id, key.scope, key.idempotency_key]
    assert [(text, place) for text in secret for place in shown if text in place] == []


def preset_with(scheme, **places):
    return Preset(name="acme", scheme=scheme, identity="id+content", **{"event_id": InBody("id"), **places})


def test_an_id_that_holds_the_signature_is_hashed():
    scheme = HmacScheme(signature=[SignatureHeader("X-Sig", "{hex}"), SignatureHeader("X-Sig-Old", "{hex}")])
    for place in (InHeader("X-Sig"), InHeader("X-Sig-Old"), Joined(InHeader("X-Sig"), InBody("id"))):
        preset = preset_with(scheme, event_id=place)
        delivery = preset.sign(b'{"id": "1"}', ["a-secret-that-is-long-enough", "another-that-is-long-enough"])
        event = Verifier(preset, ["a-secret-that-is-long-enough", "another-that-is-long-enough"]).verify(delivery)
        assert event.id.startswith("sha256:")


@pytest.mark.parametrize(
    ("scheme", "place"),
    [
        (TokenScheme(token=InBody("token")), InBody("token")),
        (TokenScheme(token=InQuery("token")), FirstOf(InBody("id"), InQuery("token"))),
        (TokenScheme(token=InHeader("X-Token")), Joined(InHeader("X-Token"), InBody("id"))),
    ],
)
def test_a_token_is_neither_an_id_nor_a_type(scheme, place):
    for what in ("event_id", "event_type"):
        with pytest.raises(ConfigurationError, match="logs would show it"):
            preset_with(scheme, **{what: place})


def test_a_signature_is_not_a_type():
    with pytest.raises(ConfigurationError, match="logs would show it"):
        preset_with(HmacScheme(signature=SignatureHeader("X-Sig", "{hex}")), event_type=InHeader("x-sig"))


def test_an_outcome_holds_nothing_that_does_not_print():
    outcome = Outcome("e", "p", "rejected", reason="a\x1b[2K\nb", event_id="\x00", event_type="x\r\ny", tenant="\u202e\ud800")
    assert all(text.isprintable() for text in (outcome.reason, outcome.event_id, outcome.event_type, outcome.tenant))
    assert outcome.event_type == "x\\r\\ny"
