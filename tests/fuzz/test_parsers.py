"""Whatever the network sends, only our own errors come out."""

import contextlib
import string

from hypothesis import given
from hypothesis import strategies as st
from shapes import SHAPES

from hookguard import Delivery, Endpoint, Guard, Headers, MemoryStore, Verifier, errors, presets
from hookguard.schemes.layout import ENCODINGS, Layout
from hookguard.schemes.timestamp import read_timestamp

SECRET = "a-secret-that-is-long-enough"
WHSEC = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="
LATIN = st.text(st.characters(max_codepoint=255), max_size=200)
ANY_TEXT = st.one_of(LATIN, st.text(max_size=60), st.binary(max_size=60).map(lambda raw: raw.decode("utf-8", "surrogateescape")))
NAMES = (*SHAPES, "signed-url")


def secret_for(name):
    return WHSEC if presets.get(name).scheme.secret_format == "whsec" else SECRET


GUARDS = {name: Guard(Endpoint(Verifier(name, secret_for(name))), MemoryStore()) for name in NAMES}


@st.composite
def almost_signatures(draw):
    """Pieces of real signature headers in every order, so that the parsers get deeper than on noise."""
    pieces = st.sampled_from(
        [
            "t=",
            "v1=",
            "v1,",
            "v0=",
            "sha256=",
            "ts=",
            "h1=",
            ",",
            ";",
            " ",
            "=",
            "1700000000",
            "ab" * 32,
            "A" * 43 + "=",
            "é",
            "\0",
            "\u0663",
        ]
    )
    return "".join(draw(st.lists(pieces, max_size=20)))


@given(
    value=st.one_of(almost_signatures(), ANY_TEXT),
    template=st.sampled_from(["{hex}", "t={timestamp},v1={hex}", "ts={timestamp};h1={base64}", "v1,{base64url}"]),
)
def test_layouts_raise_nothing_but_our_errors(value, template):
    layout = Layout(template, separator=" " if template.startswith("v1,") else None)
    try:
        signatures, timestamp = layout.parse_header(value)
    except errors.Rejected:
        return
    assert 1 <= len(signatures) <= 16
    assert (timestamp is not None) == layout.has_timestamp
    for signature in signatures:
        layout.plausible(signature, 32)


@given(text=ANY_TEXT, unit=st.sampled_from(["s", "ms", "rfc3339"]))
def test_timestamps_raise_nothing_but_our_errors(text, unit):
    with contextlib.suppress(errors.MalformedTimestamp):
        assert isinstance(read_timestamp(text, unit), (int, float))


@given(name=st.sampled_from(NAMES), body=st.binary(max_size=300), data=st.data())
def test_a_whole_delivery_of_noise(name, body, data):
    preset = presets.get(name)
    known = sorted({preset.scheme.required_header or "x", "webhook-id", "webhook-timestamp", "x-slack-request-timestamp", "content-length",
                    "content-type", "content-encoding", "transfer-encoding", "x-hookdeck-signature-2"})  # fmt: skip
    headers = data.draw(
        st.lists(st.tuples(st.one_of(st.sampled_from(known), LATIN), st.one_of(almost_signatures(), ANY_TEXT)), max_size=8)
    )
    method = data.draw(st.one_of(st.just("POST"), st.text(max_size=8)))
    receipt = GUARDS[name].open(Delivery(body, headers, method, data.draw(ANY_TEXT), data.draw(st.none() | ANY_TEXT)))
    assert receipt.reply is not None
    assert 400 <= receipt.reply.status < 500
    assert isinstance(receipt.error, errors.Rejected)


JSONISH = st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.sampled_from([b"1", b'"x"', b"NaN", b"null", b'"\\ud800"', b"1e999", b"-", b'"id"', b"1" * 1001]),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4).map(lambda items: b"[" + b",".join(items) + b"]"),
            st.lists(st.tuples(st.sampled_from([b'"id"', b'"type"', b'"event_id"', b'"data"']), inner), max_size=4).map(
                lambda items: b"{" + b",".join(key + b":" + value for key, value in items) + b"}"
            ),
        ),
        max_leaves=12,
    ),
    st.lists(st.sampled_from([b"a=1", b"payload=%7B%7D", b"%", b"&", b"=", b"\xff", b"id=%ff", b"trigger_id=x"]), max_size=6).map(
        b"&".join
    ),
)


@given(
    name=st.sampled_from(NAMES),
    body=JSONISH,
    form=st.booleans(),
    event_id=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="."), min_size=1, max_size=300),
)
def test_a_genuine_delivery_of_any_body(name, body, form, event_id):
    """The signature is right, so what is inside is read: still nothing but an event, a reply or our own errors."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
    delivery = presets.get(name).sign(body, secret_for(name), id=event_id, type="t", headers=headers, url="/hook")
    receipt = GUARDS[name].open(delivery)
    if receipt.reply is not None:
        assert receipt.error is None or isinstance(receipt.error, (errors.MalformedBody, errors.MissingEventId))
        return
    event = receipt.event
    assert event.body == body
    assert 1 <= len(event.id) <= 255
    assert set(event.id) <= set(string.printable) - set(string.whitespace)
    for read in (event.json, lambda: event.form, lambda: event.type):
        with contextlib.suppress(errors.MalformedBody):
            read()
    GUARDS[name].settle(receipt, status=200)


@given(raw=st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=40)), max_size=8))
def test_headers_from_asgi(raw):
    headers = Headers.from_asgi(raw)
    for name in headers:
        assert headers.all(name)
        with contextlib.suppress(errors.AmbiguousHeader, errors.MalformedHeader):
            headers.one(name)


@given(environ=st.dictionaries(st.one_of(st.text(max_size=20), LATIN.map(lambda name: "HTTP_" + name)), LATIN, max_size=8))
def test_headers_from_wsgi(environ):
    headers = Headers.from_wsgi(environ)
    assert len(headers) == len(list(headers))
    for name in ["content-length", "x-hub-signature-256", *list(environ)]:
        with contextlib.suppress(errors.MalformedHeader):
            headers.one(name.lower())


def test_every_encoding_is_fuzzed():
    assert set(ENCODINGS) == {"hex", "HEX", "base64", "base64url", "base64url-nopad"}
