"""Servers join repeated header lines, with "," or with ", ": a second timestamp is rejected either way, whatever comes first."""

import re

import pytest
from samples import NOW, signed, verify

from hookguard import HmacScheme, Preset, Rejected, SignatureHeader, Verifier, presets
from hookguard.errors import MalformedTimestamp
from hookguard.place import InHeader
from hookguard.schemes.template import TemplateScheme

JOINED = pytest.mark.parametrize("join", [",", ", ", ";", "; ", " , ", " ", "&", "|", ",;", "&amp;"])
ORDER = pytest.mark.parametrize("genuine_first", [True, False])
SECRET = "a-secret-that-is-long-enough"


def stamped(scheme):
    """The headers that carry a timestamp by name."""
    if isinstance(scheme, TemplateScheme):
        own = [scheme.timestamp.name.lower()] if isinstance(scheme.timestamp, InHeader) else []
        return own + [header.lower for header in scheme.signature if header.layout.has_timestamp]
    names = [name for name in scheme.covers if "time" in name and ":" not in name]
    return [*names, *([scheme.required_header] if scheme.required_header else [])]


NAMES = [name for name in presets.names() if presets.get(name).scheme.signs_timestamp and stamped(presets.get(name).scheme)]


@JOINED
@ORDER
@pytest.mark.parametrize("name", NAMES)
def test_two_joined_lines_with_a_timestamp_are_rejected(name, join, genuine_first):
    preset = presets.get(name)
    genuine, stale = signed(preset), signed(preset, now=NOW - 900_000)
    for header in stamped(preset.scheme):
        if header not in genuine.headers or genuine.headers[header] == stale.headers[header]:
            continue
        pair = genuine.headers[header], stale.headers[header]
        value = join.join(pair if genuine_first else reversed(pair))
        with pytest.raises(Rejected):
            verify(preset, genuine._replace(headers={**genuine.headers, header: value}))


@JOINED
@pytest.mark.parametrize("name", ["stripe", "paddle", "coinbase-cdp", "recurly", "mercado-pago", "sanity", "buildkite"])
def test_no_second_timestamp_stands_before_a_genuine_signature(name, join):
    """The signature of the first line stands behind the second time as well, so that one of the two fits either."""
    genuine = signed(presets.get(name))
    header = presets.get(name).scheme.required_header
    value = genuine.headers[header]
    later = re.sub("[0-9]{10,13}", lambda found: str(int(found[0]) + 1), value, count=1)
    for pair in ((value, later), (later, value)):
        with pytest.raises(Rejected):
            verify(presets.get(name), genuine._replace(headers={**genuine.headers, header: join.join(pair)}))


@JOINED
@ORDER
@pytest.mark.parametrize(
    "layout", ["t={timestamp},v1={hex}", "t={timestamp}, v1={hex}", "ts={timestamp};h1={hex}", "v1={hex},t={timestamp}",
               "{timestamp},{hex}", "t={timestamp},ta={hex}"],
)  # fmt: skip
def test_every_layout_rejects_a_second_timestamp(layout, join, genuine_first):
    scheme = HmacScheme(signature=SignatureHeader("X-Sig", layout), signed="{timestamp}.{body}")
    preset = Preset(name="acme", scheme=scheme, event_id=None, identity="content")
    genuine, evil = (preset.sign(b"{}", SECRET, timestamp=NOW - age) for age in (0, 9999))
    assert Verifier(preset, SECRET, clock=lambda: NOW).verify(genuine)
    pair = genuine.headers["x-sig"], evil.headers["x-sig"].replace("0", "1")
    value = join.join(pair if genuine_first else reversed(pair))
    with pytest.raises(MalformedTimestamp, match="more than one timestamp"):
        Verifier(preset, SECRET, clock=lambda: NOW).verify(genuine._replace(headers={"X-Sig": value}))
