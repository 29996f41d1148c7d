"""Every preset that ships, without exception: what it must accept, what it must refuse and why, and what it must survive."""

import os
import re

import pytest

pytest.importorskip("cryptography", reason="some presets need the extra crypto")
pytest.importorskip("jwt", reason="some presets need the extra jwt")

from hypothesis import given, settings
from hypothesis import strategies as st
from samples import NOW, URL, another, found, public_side, signed, verifier, verify

from hookguard import Delivery, Endpoint, Guard, MemoryStore, presets
from hookguard.errors import (
    AmbiguousHeader,
    HookguardError,
    Rejected,
    SignatureRejected,
    TimestampRejected,
    UnconfirmedPresetWarning,
)
from hookguard.verifier import Tenant

pytestmark = pytest.mark.filterwarnings(f"ignore::{UnconfirmedPresetWarning.__module__}.UnconfirmedPresetWarning")

EVERY = pytest.mark.parametrize("preset", presets.BUILT_IN, ids=lambda preset: preset.name)

#: What is signed is what the body says, not how it is written, so that some other spelling says the same.
SIGNS_WHAT_IS_READ = {
    "alipay": "the form's decoded fields",
    "braintree": "the payload's text inside the form",
    "mandrill": "the form's decoded fields",
    "paytm": "the form's decoded values, in the order of their names",
    "plivo": "the form's decoded fields",
    "travis": "the decoded field of the form",
    "twilio": "the form's decoded fields",
}
#: What is written in either case: hexadecimal digits, and the word before a token or a user and a password.
EITHER_CASE = {"authorize-net", "coinbase-cdp", "chargebee", "postmark", "google-pubsub", "vonage"}
#: What stands before the signature and says nothing that matters, as a pattern: Worldpay's key id.
NOT_SIGNED = {"worldpay": r"[^/,]+(?=/SHA256/)"}


def changed(delivery, *, body=None, headers=None, url=None, method=None):
    pairs = list(delivery.headers.items()) if headers is None else headers
    return Delivery(
        delivery.body if body is None else body,
        pairs,
        delivery.method if method is None else method,
        delivery.url if url is None else url,
    )


def carriers(preset, delivery):
    """The headers whose text decides: those that carry the signature, and those that it covers."""
    scheme = preset.scheme
    names = {scheme.required_header, *scheme.covers}
    token = getattr(scheme, "token", None)
    names |= {getattr(token, "name", "").lower()}
    for header in getattr(scheme, "signature", ()) if isinstance(getattr(scheme, "signature", None), tuple) else ():
        names.add(header.lower)
    return [(name, value) for name, value in delivery.headers.items() if name.lower() in names]


def refused(preset, delivery, kind=Rejected):
    with pytest.raises(kind):
        verify(preset, delivery)


@EVERY
def test_what_it_signs_it_accepts(preset):
    event = verify(preset, signed(preset))
    assert event.provider == preset.name
    if preset.scheme.signs_timestamp:
        assert abs(event.timestamp - NOW) < 1


def read(event):
    """What a handler reads of a body whose spelling is not signed."""
    if event.provider == "paytm":
        return list(event.form.values())
    return dict(event.form) or event.content


@EVERY
def test_every_single_bit_of_a_signed_body_counts(preset):
    if "body" not in preset.scheme.covers:
        pytest.skip("the signature does not cover the whole body")
    delivery = signed(preset)
    honest = verify(preset, delivery)
    for bit in range(8 * len(delivery.body)):
        body = bytearray(delivery.body)
        body[bit >> 3] ^= 1 << (bit & 7)
        try:
            event = verify(preset, changed(delivery, body=bytes(body)))
        except Rejected:
            continue
        assert preset.name in SIGNS_WHAT_IS_READ, f"bit {bit} of the body may be flipped"
        assert read(event) == read(honest), f"bit {bit} of the body changes what a handler reads"


@EVERY
def test_every_single_bit_of_the_signature_counts(preset):
    delivery = signed(preset)
    found_any = False
    for name, value in carriers(preset, delivery):
        found_any = True
        for bit in range(8 * len(value)):
            text = bytearray(value.encode("latin-1"))
            text[bit >> 3] ^= 1 << (bit & 7)
            flipped = text.decode("latin-1")
            headers = [(other, flipped if other == name else was) for other, was in delivery.headers.items()]
            try:
                verify(preset, changed(delivery, headers=headers))
            except Rejected:
                continue
            aside = NOT_SIGNED.get(preset.name, "(?!)")
            same = flipped.lower() == value.lower() and preset.name in EITHER_CASE
            same = same or re.sub(aside, "", flipped, count=1) == re.sub(aside, "", value, count=1)
            assert same, f"bit {bit} of {name} may be flipped: {flipped!r}"
    in_body = preset.scheme.required_header is None
    assert found_any or in_body


@EVERY
def test_somebody_else_s_secret_is_refused(preset):
    secret, key = another(preset)
    delivery = signed(preset)
    checking = verifier(preset, secret=secret)
    with pytest.raises(SignatureRejected):
        wanted = checking.wants(delivery)
        checking.verify(delivery, found=key if wanted is not None else None)


@EVERY
def test_what_is_signed_for_one_tenant_is_refused_at_the_endpoint_of_another(preset):
    secret, key = another(preset)
    delivery = signed(preset)
    theirs = verifier(preset).for_tenant(Tenant("theirs", [secret]))
    with pytest.raises(SignatureRejected):
        wanted = theirs.wants(delivery)
        theirs.verify(delivery, found=key if wanted is not None else None)
    ours = verifier(preset).for_tenant(Tenant("ours", [public_side(preset)]))
    wanted = ours.wants(delivery)
    assert ours.verify(delivery, found=found(preset.name) if wanted is not None else None).tenant == "ours"


@EVERY
@pytest.mark.parametrize("side", [-1, 1], ids=["stale", "future"])
def test_a_timestamp_out_of_tolerance_is_refused(preset, side):
    if not preset.scheme.signs_timestamp:
        pytest.skip("no timestamp is signed")
    refused(preset, signed(preset, now=NOW + side * (preset.tolerance + 30)), TimestampRejected)


@EVERY
def test_a_second_signature_header_is_refused(preset):
    delivery = signed(preset)
    name = preset.scheme.required_header
    if name is None:
        pytest.skip("the signature is not in a header")
    value = delivery.headers[name]
    forged = value[:-1] + ("0" if value[-1] != "0" else "1")
    pairs = list(delivery.headers.items())
    for headers in ([(name, forged), *pairs], [*pairs, (name, forged)], [*pairs, (name, value)]):
        if preset.name == "mollie":
            # Its own SDK takes any of several; a forged one beside a right one changes nothing that was signed.
            verify(preset, changed(delivery, headers=headers))
            continue
        refused(preset, changed(delivery, headers=headers), AmbiguousHeader)


@EVERY
def test_nothing_at_all_is_refused(preset):
    told = []
    for delivery in (Delivery(b"", {}), Delivery(b"{}", {}), Delivery(signed(preset).body, {}, url=URL)):
        try:
            verify(preset, delivery)
        except Rejected as error:
            told.append(str(error))
            continue
        assert preset.scheme.required_header is None, "a delivery without any header was accepted"
        assert delivery.body == signed(preset).body
    # What the log says is for people: no constructor's call stands in it.
    assert not re.search(r"\b[A-Z]\w+\((\w+=)?['\"]", " ".join(told)), told


@EVERY
def test_its_facts_are_whole(preset):
    assert preset.title
    assert preset.docs.startswith("https://")
    if preset is presets.SIGNED_URL:
        return
    assert preset.profile is not None
    for fact in vars(type(preset.profile))["__slots__"]:
        assert getattr(preset.profile, fact).source.startswith("https://")


HOSTILE = (
    "", " ", ",", "=", "t=", "v1", "v1,", "v1,a,b", "t=1,v1=", "t=,v1=x", "\x00", "a\r\nb", "é", "１２３", "ſ", "\ud800",
    "9" * 5000, "-1", "1e400", "nan", "0x1", "Basic", "Basic ====", "Basic \xff", "Bearer", "Bearer a.b.c", "a.b", "a..c",
    "eyJhbGciOiJub25lIn0.e30.", "{}", "[]", "null", "https://", "http://[", "https://evil.example/x.pem", "x" * 9000,
    "2025-13-45T99:99:99Z", "1970-01-01T00:00:00+99:99", "1/2/3", "a/SHA256/b", "%", "%zz", "&&&", ";;;", "t=1;h1=2",
)  # fmt: skip
BODIES = (
    b"", b"{", b"null", b"[]", b"[1]", b"[[]]", b"{}", b'""', b"0", b"\xff\xfe", b"\xef\xbb\xbf{}", b"[" * 3000, b'{"a":' * 3000,
    b'{"id": %s}' % (b"9" * 5000), b'{"a": 1, "a": 2}', b'{"a": NaN}', b"a=1&a=2", b"a", b"&=&", b"a=%ff", b"sign=x&sign_type=RSA2",
    b"<xml/>", b"<!DOCTYPE a [<!ENTITY b 'c'>]><xml>&b;</xml>", b"<a><b></a>", b'{"encrypt": "AAAA"}', b'{"encrypt": 1}',
    b'{"signature": {}}', b'{"signature": {"timestamp": "x", "token": 1, "signature": []}}', b'{"signedPayload": "a.b.c"}',
    b'{"notificationItems": [{}]}', b'{"notificationItems": [{"NotificationRequestItem": {"additionalData": 1}}]}',
    b'{"resource": {"ciphertext": "AA", "nonce": "", "associated_data": 1}}', b'{"Type": "Notification"}',
    b'{"Type": "SubscriptionConfirmation", "SubscribeURL": "http://169.254.169.254/"}', b'{"type": 1}', b'{"challenge": "x"}',
    b"bt_signature=a|b&bt_payload=c", b"payload=%7B", b"mandrill_events=%5B%5D", b'{"webhook_id": "\\ud800"}', b'{"value": [{"clientState": null}]}',
)  # fmt: skip
#: In CI 2,000 for each preset; a look is shorter.
MUTATED = int(os.environ.get("HOOKGUARD_MUTATIONS", "400"))

PLACES = range(8)
#: Listed beforehand, because drawing each part of a mutation would take longer than surviving it.
MUTATIONS = [
    *(("set header", place, value) for place in PLACES for value in HOSTILE),
    *(("cut header", place, length) for place in PLACES for length in (0, 1, 5, 16, 63, 64, 100)),
    *(
        ("into header", place, at, text)
        for place in PLACES
        for at in range(0, 120, 7)
        for text in "\x00\x7f =,;.:\u00e9\u0131Az0-_/+"
    ),
    *(("double header", place) for place in PLACES),
    *(("drop header", place) for place in PLACES),
    *(("set body", body) for body in BODIES),
    *(("cut body", length) for length in range(0, 300, 11)),
    *(
        ("into body", at, text)
        for at in range(0, 300, 13)
        for text in (b"\xff", b"\x00", b'"', b"}", b"[", b"&", b"=", b"<", b"%", b"9")
    ),
    *(
        ("set url", url)
        for url in (*HOSTILE, "/?a=1&a=2", "/?data.id=%ff", "/hooks#f", "?", "//", "http://[::1", "/" + "?a=1" * 3000)
    ),
    *(("set method", method) for method in ("GET", "HEAD", "OPTIONS", "PUT", "post", "")),
    *(
        ("set type", kind)
        for kind in ("application/x-www-form-urlencoded", "application/json", "text/xml", "multipart/form-data", "")
    ),
]


def mutate(delivery, mutation):
    kind, *how = mutation
    pairs = list(delivery.headers.items())
    at = how[0] % len(pairs) if "header" in kind else 0
    body, url, method = delivery.body, delivery.url, delivery.method
    if kind == "set header":
        pairs[at] = (pairs[at][0], how[1])
    elif kind == "cut header":
        pairs[at] = (pairs[at][0], pairs[at][1][: how[1]])
    elif kind == "into header":
        name, value = pairs[at]
        pairs[at] = (name, value[: how[1]] + how[2] + value[how[1] + 1 :])
    elif kind == "double header":
        pairs.append(pairs[at])
    elif kind == "drop header":
        del pairs[at]
    elif kind == "set body":
        body = how[0]
    elif kind == "cut body":
        body = body[: how[0]]
    elif kind == "into body":
        body = body[: how[0]] + how[1] + body[how[0] + 1 :]
    elif kind == "set url":
        url = how[0]
    elif kind == "set method":
        method = how[0]
    elif kind == "set type":
        pairs = [(name, how[0] if name.lower() == "content-type" else value) for name, value in pairs]
    return Delivery(body, pairs or {"X": "y"}, method, url)


class Published:
    """The provider's key, for whoever asks."""

    def __init__(self, name):
        self._name = name

    def get(self, wanted):
        return found(self._name)


def guard_of(preset):
    options = {"public_url": URL} if "url" in preset.scheme.covers else {}
    if getattr(preset.challenge, "offers_secret", False):
        options["accept_secret"] = lambda secret, delivery: False
    endpoint = Endpoint(verifier(preset), **options)
    return Guard(endpoint, MemoryStore(), **({"keys": Published(preset.name)} if verifier(preset).fetches else {}))


@EVERY
def test_mutations_raise_nothing_but_our_errors(preset):
    """Twenty mutations an example, alone and on top of each other, through the guard and its challenges."""
    guard = guard_of(preset)
    honest = signed(preset)

    def receive(delivery):
        receipt = guard.open(delivery)
        while receipt is not None and receipt.reply is None:
            try:
                receipt.event.type  # noqa: B018 - what a handler does first
                receipt.event.json()
            except HookguardError:
                pass
            guard.settle(receipt, status=500)
            receipt = guard.next(receipt)

    receive(honest)

    @settings(max_examples=MUTATED // 20)
    @given(st.lists(st.sampled_from(MUTATIONS), min_size=20, max_size=20))
    def survives(mutations):
        piled = honest
        for mutation in mutations:
            receive(mutate(honest, mutation))
            piled = mutate(piled, mutation)
        receive(piled)

    survives()


def test_there_are_more_than_eighty():
    assert len(presets.BUILT_IN) > 80
    assert len({preset.name for preset in presets.BUILT_IN}) == len(presets.BUILT_IN)
