"""Hostile deliveries: nothing that a stranger sends makes an autopsy raise or exceed its bounds."""

import json
import logging
import zlib
from dataclasses import replace
from unicodedata import normalize

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import NOW, public_side

from hookguard import Delivery, Verifier, presets
from hookguard.autopsy import COMMAND_LINE, LIVE, Known, explain
from hookguard.autopsy import bodies as bodies_module
from hookguard.headers import Headers

pytest.importorskip("jwt", reason="some presets need the extra jwt")

BOUNDS = replace(LIVE, seconds=30.0)
NAMES = [
    "stripe",
    "github",
    "twilio",
    "standard-webhooks",
    "trello",
    "hubspot",
    "messagebird",
    "adyen",
    "aws-sns",
    "alipay",
    "lark",
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
bodies = st.one_of(
    st.binary(max_size=300),
    json_values.map(lambda value: json.dumps(value).encode()),
    json_values.map(lambda value: str(value).encode("utf-8", "surrogatepass")),
    st.text(max_size=200).map(lambda text: text.encode("utf-16", "surrogatepass")),
    st.binary(max_size=100).map(zlib.compress),
    st.lists(st.sampled_from([b"{", b"[", b'"', b"\\", b"&", b"=", b"%", b"0\r\n", b"\xff", b"b'"]), max_size=60).map(b"".join),
)
values = st.text(st.characters(max_codepoint=255), max_size=120) | st.from_regex(
    r"(t=[0-9]{10},)?v1=[0-9a-f]{64}(, ?)?", fullmatch=True
)
NAMED = [
    "stripe-signature",
    "x-hub-signature-256",
    "webhook-signature",
    "x_hub_signature_256",
    "host",
    "content-type",
    "forwarded",
]
NAMED += ["x-twilio-signature", "content-encoding", "content-length", "x-hubspot-request-timestamp", "messagebird-signature-jwt"]
headers = st.lists(st.tuples(st.sampled_from(NAMED) | st.text(max_size=20), values), max_size=10)
urls = st.text(max_size=80) | st.from_regex(r"https?://[a-z]{1,9}(:[0-9]{1,9})?/[a-z/%?&=+#@]{0,40}", fullmatch=True)


@pytest.fixture(scope="module")
def verifiers():
    return {name: Verifier(name, [public_side(presets.get(name))], clock=lambda: NOW) for name in NAMES}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(NAMES), body=bodies, pairs=headers, url=urls, target=urls, method=st.text(max_size=9))
def test_any_delivery_is_examined_within_the_bounds(name, body, pairs, url, target, method, verifiers, caplog):
    delivery = Delivery(body, Headers(pairs), method, url)
    known = Known(name="one", endpoints=list(verifiers.items()), target=target, now=NOW)
    autopsy = explain(verifiers[name], delivery, known=known, bounds=BOUNDS)
    assert autopsy.calls <= BOUNDS.calls
    assert autopsy.findings
    assert all(each.kind != "proved" for each in autopsy.findings), autopsy.codes
    assert not [record for record in caplog.records if "autopsy_failed" in record.getMessage()]


DEEP = [
    b"[" * 100_000,
    b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    b'{"' + b"a" * 30_000,
    b'"' * 30_001,
    b"\\" * 30_000,
    b"&amp;" * 6_000,
    b"a=b&" * 7_000,
    b"%" * 30_000,
    b"1" * 30_000,
    b"[" + b"1," * 15_000 + b"1]",
    b"{" + b",".join(b'"%d":{}' % number for number in range(3000)) + b"}",
    zlib.compress(b"\0" * (64 << 20), 9),
    zlib.compress(b"\0" * (900 << 10), 9),
    b"\r\n" * 15_000,
    b"1\r\na\r\n" * 5_000,
    b"b'" + b"\\x" * 10_000 + b"'",
    "\u0130".encode() * 10_000,
    b'{"headers":' + b'{"headers":' * 500 + b"{}" + b"}" * 501,
    json.dumps({"body": json.dumps({"body": "x" * 10_000}), "headers": [["a"] * 3] * 500}).encode(),
]
#: Normalizing them holds the interpreter for seconds. The last is made of characters that become marks.
MARKS = [
    ("e" + "\u0301\u0323" * 16_000).encode(),
    ('{"name": "e' + "\u0301\u0323" * 7_000 + '"}').encode(),
    zlib.compress(("e" + "\u0301\u0323" * 7_000).encode()),
    ("\u30ab" + "\uff9e\u0301" * 6_000).encode(),
]
DEEP += MARKS


@pytest.mark.parametrize("body", DEEP, ids=range(len(DEEP)))
@pytest.mark.parametrize("name", ["stripe", "twilio", "adyen"])
def test_body_made_to_cost_much_stays_within_the_bounds(name, body, verifiers, caplog):
    signed = presets.get(name).scheme.carriers.signature
    delivery = Delivery(body, dict.fromkeys(signed, "v1=" + "0" * 64) | {"content-type": "application/x-www-form-urlencoded"})
    autopsy = explain(verifiers[name], delivery, known=Known(now=NOW), bounds=LIVE)
    assert autopsy.calls <= LIVE.calls
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert all(each.kind != "proved" for each in autopsy.findings)


@pytest.mark.parametrize(
    "header", ["," * 8000, "a," * 4000, "v1=" * 2700, " " * 8000, "%2" * 4000, "\0" * 100, "=" * 8000, "t=1,v1=" * 1100]
)
def test_header_made_to_cost_much_stays_within_the_bounds(header, verifiers, caplog):
    delivery = Delivery(
        b'{"id": 1}', [("stripe-signature", header), ("stripe-signature", header), *[(f"x-{n}", "y" * 99) for n in range(500)]]
    )
    for bounds in (LIVE, replace(COMMAND_LINE, seconds=20.0)):
        autopsy = explain(verifiers["stripe"], delivery, known=Known(now=NOW), bounds=bounds)
        assert autopsy.calls <= bounds.calls
        assert all(each.kind != "proved" for each in autopsy.findings)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("body", MARKS, ids=range(len(MARKS)))
def test_long_run_of_marks_is_never_normalized(body, verifiers, monkeypatch):
    normalized = []
    monkeypatch.setattr(bodies_module, "normalize", lambda form, text: normalized.append(text) or normalize(form, text))
    for text in ("caf\u00e9".encode(), body):
        delivery = Delivery(text, {"x-hub-signature-256": "sha256=" + "0" * 64})
        explain(verifiers["github"], delivery, known=Known(now=NOW), bounds=BOUNDS)
    assert normalized
    assert set(normalized) == {"caf\u00e9"}
