"""Whatever is done to the unsigned headers of a captured delivery, a handler reads what was signed, or nothing."""

import random
from functools import cache

import pytest

pytest.importorskip("cryptography", reason="some presets need the extra crypto")
pytest.importorskip("jwt", reason="some presets need the extra jwt")

from hypothesis import given, settings
from hypothesis import strategies as st
from samples import NOW, OTHERS, URL, _sign, private_side, signed, usual_body, verifier, verify

from hookguard import Delivery, Endpoint, Event, Preset, presets
from hookguard.errors import MalformedBody, MissingEventId, Rejected, UnconfirmedPresetWarning
from hookguard.head.content_type import agreed_type
from hookguard.place import EachDelivery, FirstOf, InHeader, Joined

pytestmark = pytest.mark.filterwarnings(f"ignore::{UnconfirmedPresetWarning.__module__}.UnconfirmedPresetWarning")

EVERY = pytest.mark.parametrize("preset", presets.BUILT_IN, ids=lambda preset: preset.name)

#: Texts of a stranger that a provider may then sign: fields, parts of a multipart body, and syntax in UTF-7.
STRANGER = (
    "hi &payload=%7B%22id%22%3A%22evil%22%2C%22type%22%3A%22evil%22%7D&mandrill_events=%5B%7B%22event%22%3A%22evil%22%7D%5D&id=evil"
    "&type=evil&command=evil&trigger_id=evil&token=evil&timestamp=1&signature=evil&"
    "+ACI-,+ACI-id+ACI-:+ACI-evil+ACI-,+ACI-x+ACI-:+ACI-"
)

#: Headers that choose how a framework reads a body.
TYPES = (
    "application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-8", "APPLICATION/X-WWW-FORM-URLENCODED ;a=b",
    "application/x-www-form-urlencoded; charset=utf-7", "multipart/form-data", "multipart/form-data; boundary=b",
    'multipart/form-data; boundary="&"', "multipart/mixed; boundary=hi", "application/json", "application/json; charset=utf-7",
    "application/json; charset=utf-16", "application/json;charset*=us-ascii''utf-7", "application/vnd.api+json", "text/json",
    "text/plain", "text/plain; charset=utf-16", "text/xml", "application/xml; charset=iso-8859-1", "application/yaml", "text/csv",
    "application/octet-stream", "", " ", ";", "x", "application/json, application/x-www-form-urlencoded", "\x00", "é", "x" * 9000,
)  # fmt: skip
#: Of which a framework makes another body, method, path or reader.
OTHER_HEADERS = (
    "Content-Encoding", "Content-Type", "Content-Language", "Content-Location", "Content-Disposition", "Transfer-Encoding", "TE", "Accept",
    "X-HTTP-Method-Override", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Original-URL", "X-Rewrite-URL", "Host",
)  # fmt: skip
VALUES = (*TYPES, "gzip", "identity", "utf-8", "chunked", "PUT", "https", "/evil", "evil", "1", "0", "{}", "a,b")


def _headers_of(place):
    if isinstance(place, (FirstOf, Joined)):
        return [name for inner in place.places for name in _headers_of(inner)]
    return [place.name] if isinstance(place, InHeader) else []


#: Every header from which any preset reads an id or a type.
READ = sorted(
    {name for preset in presets.BUILT_IN for place in (preset.event_id, preset.event_type) for name in _headers_of(place)}
)


@cache
def captured(name: str) -> tuple[Delivery, ...]:
    """Honest deliveries, one of them with a stranger's text in it."""
    preset = presets.get(name)
    body, _ = usual_body(preset)
    written = body.replace(rb"\u00fcn\u00ef", STRANGER.encode()).replace("ünï".encode(), STRANGER.encode())
    told = [_sign(preset, NOW, private_side(preset), written)] if written != body else []
    return (signed(preset), *told, *([OTHERS[name]()] if name in OTHERS else []))


@cache
def endpoint(name: str) -> Endpoint:
    preset = presets.get(name)
    return Endpoint(verifier(preset), public_url=URL if "url" in preset.scheme.covers else None)


def taken(preset: Preset, delivery: Delivery) -> Event:
    """Take a delivery as a guard does."""
    endpoint(preset.name).screen(delivery)
    return verify(preset, delivery)


def told(event: Event, preset: Preset) -> dict[str, object]:
    """Everything a handler may read that must have been signed; None where the event says that it cannot be read."""

    def read(what):
        try:
            return what()
        except (MalformedBody, MissingEventId):
            return None

    facts = {
        "body": event.body,
        "content": event.content,
        "timestamp": event.timestamp,
        "json": read(event.json),
        "form": read(lambda: dict(event.form)) or None,
        "events": read(lambda: [each.json() for each in event.events()]) if preset.batch is not None else None,
        "xml": read(lambda: [(each.tag, each.text) for each in event.xml().iter()]),
    }
    if preset.id_covered and not isinstance(preset.event_id, EachDelivery):
        facts["id"] = read(lambda: event.id)
    if preset.type_covered:
        facts["type"] = read(lambda: event.type) or None
    return facts


@cache
def told_honestly(name: str, position: int) -> dict[str, object]:
    preset = presets.get(name)
    return told(taken(preset, captured(name)[position]), preset)


def parsed_by(preset: Preset, delivery: Delivery) -> str:
    """A framework's reading of the body: it goes by the Content-Type that it is shown."""
    shown = agreed_type(delivery.headers, delivery.body, forms=preset.sends_forms)
    kind = (shown if shown is not None else delivery.headers.get("content-type", "")).partition(";")[0].strip().lower()
    return kind if kind == "application/x-www-form-urlencoded" or kind.startswith("multipart/") else "no form"


def assert_reads_alike(preset: Preset, honest: Delivery, changed: Delivery) -> bool:
    """Compare what a handler reads of both; False if the changed one is rejected."""
    before = told_honestly(preset.name, captured(preset.name).index(honest))
    try:
        after = told(taken(preset, changed), preset)
    except Rejected:
        return False
    for what, value in after.items():
        assert value is None or value == before[what], f"{what} is {value!r} under {changed.headers.items()}"
    assert parsed_by(preset, changed) in (parsed_by(preset, honest), "no form")
    return True


def with_pairs(delivery: Delivery, pairs) -> Delivery:
    return Delivery(delivery.body, pairs, delivery.method, delivery.url)


def others(delivery: Delivery, name: str):
    return [(key, value) for key, value in delivery.headers.items() if key.lower() != name.lower()]


@EVERY
def test_no_content_type_changes_what_is_read(preset):
    for honest in captured(preset.name):
        accepted = 0
        for kind in TYPES:
            accepted += assert_reads_alike(
                preset, honest, with_pairs(honest, [*others(honest, "content-type"), ("Content-Type", kind)])
            )
            assert_reads_alike(preset, honest, with_pairs(honest, [*honest.headers.items(), ("content-type", kind)]))
        assert_reads_alike(preset, honest, with_pairs(honest, others(honest, "content-type")))
        assert accepted > 0


@EVERY
def test_an_unsigned_header_that_holds_an_id_or_a_type_changes_nothing_that_was_signed(preset):
    honest = captured(preset.name)[-1]
    for name in (*READ, *OTHER_HEADERS):
        assert_reads_alike(preset, honest, with_pairs(honest, [*others(honest, name), (name, "evil")]))
    for name in honest.headers:
        assert_reads_alike(preset, honest, with_pairs(honest, [(name, "evil"), *honest.headers.items()]))
        assert_reads_alike(preset, honest, with_pairs(honest, others(honest, name)))


def _change(draw, pairs):
    names = sorted({name for name, _ in pairs})
    name = draw(st.sampled_from([*names, *OTHER_HEADERS, *READ]))
    value = draw(st.sampled_from(VALUES) | st.text(max_size=12))
    kind = draw(st.sampled_from(["remove", "alter", "add", "double", "shuffle"]))
    if kind == "shuffle":
        random.Random(len(pairs)).shuffle(pairs)
        return pairs
    here = [pair for pair in pairs if pair[0].lower() == name.lower()]
    rest = [pair for pair in pairs if pair[0].lower() != name.lower()]
    return {
        "remove": rest,
        "alter": [*rest, (name, value)],
        "add": [*pairs, (name, value)],
        "double": [*here, *pairs],
    }[kind]


@EVERY
def test_no_change_of_unsigned_headers_changes_what_is_read(preset):
    @settings(max_examples=25)
    @given(st.data())
    def reads_alike(data):
        honest = data.draw(st.sampled_from(captured(preset.name)))
        pairs = list(honest.headers.items())
        for _ in range(data.draw(st.integers(1, 3))):
            pairs = _change(data.draw, pairs)
        assert_reads_alike(preset, honest, with_pairs(honest, pairs))

    reads_alike()
