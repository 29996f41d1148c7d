"""Every preset that ships, without exception: what it must accept, what it must reject and why, and what it must survive."""

import json
import os
import re
from urllib.parse import urlsplit

import pytest

pytest.importorskip("cryptography", reason="some presets need the extra crypto")
pytest.importorskip("jwt", reason="some presets need the extra jwt")

from carriers import SIGNATURES, InBasic, covered, doubled, flips, is_text, put, signatures, text_at
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import (
    NOW,
    OTHERS,
    URL,
    Published,
    another,
    neighbour,
    private_side,
    public_side,
    sent_to,
    sent_to_the_neighbour,
    signed,
    usual_body,
    verifier,
    verify,
)

from hookguard import Delivery, Endpoint, Guard, MemoryStore, Verifier, presets
from hookguard.errors import (
    AmbiguousHeader,
    ConfigurationError,
    HookguardError,
    MalformedBody,
    MalformedDelivery,
    MalformedHeader,
    MalformedSignature,
    MalformedTimestamp,
    MissingSignature,
    MissingTimestamp,
    Rejected,
    SignatureMismatch,
    SignatureRejected,
    TimestampRejected,
    UnconfirmedPresetWarning,
    UntrustedKeySource,
)
from hookguard.place import EachDelivery, InBody, InHeader, InQuery
from hookguard.preset import make_keys
from hookguard.verifier import Tenant

pytestmark = pytest.mark.filterwarnings(f"ignore::{UnconfirmedPresetWarning.__module__}.UnconfirmedPresetWarning")

EVERY = pytest.mark.parametrize("preset", presets.BUILT_IN, ids=lambda preset: preset.name)

#: The content of the body is signed, not its spelling, so some other spelling is the same content.
SIGNS_WHAT_IS_READ = {
    "alipay": "the form's decoded fields",
    "braintree": "the payload's text inside the form",
    "mandrill": "the form's decoded fields",
    "paytm": "the form's decoded values, in the order of their names",
    "plivo": "the form's decoded fields",
    "travis": "the decoded field of the form",
    "twilio": "the form's decoded fields",
}


def _word(text):
    word, space, rest = text.partition(" ")
    return word.lower() + space + rest


#: Parts of the signature header that mean the same in another spelling: two headers mean one where these make one text of them.
MEANS = {
    "authorize-net": lambda text: text[:7] + text[7:].upper(),  # the hexadecimal digits behind sha512=
    # The word before a token, or before a user and a password (RFC 9110 section 11.1).
    "chargebee": _word,
    "google-pubsub": _word,
    "postmark": _word,
    "vonage": _word,
    "worldpay": lambda text: re.sub(r"[^/,]+(?=/SHA256/)", "", text, count=1),  # the key's id
}

# The error for a flipped bit, by family (the scheme's class) or by preset where that is said first: exactly these
# errors, each of them at least once. A mismatch is the rule; any other error says that what came cannot be what is signed.

_MISMATCH = frozenset({SignatureMismatch})
_WRITTEN = _MISMATCH | {MalformedSignature}  #: no base64, no digits, no ASCII
_IN_HEADER = _WRITTEN | {MalformedHeader}  #: a control character besides
_TIMED = _IN_HEADER | {MissingTimestamp, MalformedTimestamp}  #: the header carries the timestamp too

#: In the signature's own text; _IN_HEADER for those that are not listed.
SIGNATURE_FLIPPED = {
    "AdyenScheme": _MISMATCH,
    "AlipayScheme": _WRITTEN,
    "AppStoreScheme": _WRITTEN,
    "BraintreeScheme": _MISMATCH,
    "CallbackScheme": _MISMATCH,
    "ContentfulScheme": _WRITTEN,
    "FieldsScheme": _WRITTEN,
    "FormScheme": _WRITTEN,
    "Hook0Scheme": _IN_HEADER | {MalformedTimestamp},  # a header without t= is not theirs
    "MercadoPagoScheme": _TIMED,
    "PaytmScheme": _WRITTEN,
    "PlivoScheme": _MISMATCH | {MalformedHeader},
    "PublicKeyScheme": _WRITTEN,
    "SnsScheme": _WRITTEN,
    "SortedHashScheme": _WRITTEN,
    "TelnyxScheme": _WRITTEN,
    "TokenScheme": _MISMATCH | {MalformedHeader},
    # The token's header lists what is signed, and says where its key is.
    "TrueLayerScheme": _IN_HEADER | {MissingTimestamp, UntrustedKeySource},
    "TwilioScheme": _WRITTEN,
    "WorkOSScheme": _TIMED,
    "recurly": _IN_HEADER | {MalformedTimestamp},  # what is before the first comma is the time, whatever it is
    # Behind another word than Basic.
    "chargebee": _IN_HEADER,
    "postmark": _IN_HEADER,
    # No header.
    "event-grid": _MISMATCH,
    "figma": _MISMATCH,
    "lark-token": _MISMATCH,
    "microsoft-graph": _MISMATCH,
    # A list of signatures is read first, and a control character seen there.
    "standard-webhooks-v1a": _IN_HEADER,
    "svix-v1a": _IN_HEADER,
}

#: In what is covered by name. Of those that are not listed a timestamp alone cannot be read, or an id besides holds what no
#: id does.
COVERED_FLIPPED = {
    "AdyenScheme": _WRITTEN,  # a colon, which ends a field
    "BraintreeScheme": _WRITTEN,  # no base64
    "ContentfulScheme": _IN_HEADER | {MalformedTimestamp},
    "FieldsScheme": _MISMATCH | {MalformedTimestamp},
    "MercadoPagoScheme": _MISMATCH | {MalformedHeader},
    "PayPalScheme": _MISMATCH | {MalformedHeader, MalformedTimestamp},
    "PlivoScheme": _MISMATCH | {MissingSignature},  # an invalid nonce counts as missing
    # A type that nobody knows is not signed; a SubscribeURL is checked before anything is fetched.
    "SnsScheme": _MISMATCH | {MalformedTimestamp, MissingSignature, UntrustedKeySource},
    "wecom": _WRITTEN | {MalformedTimestamp, MalformedBody},  # XML holds no control characters
}

#: In the body as it came; _MISMATCH for those that are not listed, which hash it unread.
BODY_FLIPPED = {
    "AdyenScheme": _WRITTEN | {MalformedBody, MissingSignature},
    "AlipayScheme": _WRITTEN | {MalformedBody, MissingSignature},
    "AppStoreScheme": _WRITTEN | {MalformedBody, MissingSignature},
    "BraintreeScheme": _WRITTEN | {MalformedBody, MissingSignature},
    "FieldsScheme": _WRITTEN | {MalformedBody, MissingSignature, MalformedTimestamp, MissingTimestamp},
    "FormScheme": _MISMATCH | {MalformedBody},
    "PaytmScheme": _WRITTEN | {MalformedBody, MissingSignature},
    "PlivoScheme": _MISMATCH | {MalformedBody},
    "SnsScheme": _WRITTEN | {MalformedBody, MissingSignature, MalformedTimestamp, MissingTimestamp, UntrustedKeySource},
    "SortedHashScheme": _MISMATCH | {MalformedBody, MissingSignature},
    "TokenScheme": _MISMATCH | {MalformedBody, MissingSignature},
    "TravisScheme": _MISMATCH | {MalformedBody},
    "TwilioScheme": _MISMATCH | {MalformedBody},
    "wecom": _MISMATCH | {MalformedBody},  # an element of another name is closed by no tag
}

#: In the URL as it came; _MISMATCH for those that are not listed.
URL_FLIPPED = {
    "CallbackScheme": _WRITTEN | {MissingSignature},
    "ContentfulScheme": _WRITTEN,  # an invalid path
    "MercadoPagoScheme": _WRITTEN,
    "PlivoScheme": _MISMATCH | {MalformedDelivery},
    "SortedHashScheme": _WRITTEN | {MissingSignature, MalformedDelivery, MalformedTimestamp, MissingTimestamp},
    "TokenScheme": _MISMATCH | {MissingSignature, MalformedDelivery},
    "TrueLayerScheme": _WRITTEN,
}

#: The signed part of the URL, where it is neither the whole nor a parameter.
SIGNED_OF_THE_URL = {
    "contentful": lambda url: url[url.index("/", 8) :] if url[8:].find("/") > 0 else url,
    "plivo": lambda url: urlsplit(url)._replace(scheme=urlsplit(url).scheme.lower()).geturl(),
    "truelayer": lambda url: urlsplit(url).path,
}


def expected(table, preset, usual):
    return table.get(preset.name, table.get(type(preset.scheme).__name__, usual))


def changed(delivery, *, body=None, headers=None, url=None, method=None):
    pairs = list(delivery.headers.items()) if headers is None else headers
    return Delivery(
        delivery.body if body is None else body,
        pairs,
        delivery.method if method is None else method,
        delivery.url if url is None else url,
    )


def rejected(preset, delivery, kind=Rejected):
    with pytest.raises(kind) as rejection:
        verify(preset, delivery)
    return rejection.type


def shapes(preset):
    """Every kind of honest delivery there is a sample of."""
    return [signed(preset), *([OTHERS[preset.name]()] if preset.name in OTHERS else [])]


@EVERY
def test_a_preset_accepts_its_own_signature(preset):
    for delivery in shapes(preset):
        event = verify(preset, delivery)
        assert event.provider == preset.name
        if preset.scheme.signs_timestamp:
            assert abs(event.timestamp - NOW) < 1


def test_where_a_signature_is_in_no_header_is_known():
    assert set(SIGNATURES) == {preset.name for preset in presets.BUILT_IN if preset.scheme.required_header is None}


def read(event):
    """A handler's reading of a body whose spelling is not signed."""
    if event.provider == "paytm":
        return list(event.form.values())
    return dict(event.form) or event.content


def verdict(preset, delivery):
    """The event, or the class of the error it is rejected with."""
    try:
        return verify(preset, delivery)
    except Rejected as error:
        return type(error)


def vouched(preset, delivery):
    """The texts that decide, each with its place."""
    places = [*signatures(preset, delivery), *covered(preset, delivery)]
    return {place: text_at(place, preset, delivery) for place in places}


def readable(body):
    """Whether a body is JSON for anybody at all who takes a key once."""

    def once(pairs):
        if len(dict(pairs)) != len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        json.loads(body.decode(), object_pairs_hook=once)
    except ValueError:
        return False
    return True


@EVERY
def test_every_single_bit_of_a_signed_body_counts(preset):
    # PayPal signs a checksum: it does not stop an attacker, but shows every flipped bit.
    whole = "body" in preset.scheme.covers or preset is presets.PAYPAL
    seen = set()
    for delivery in shapes(preset):
        honest, deciding = verify(preset, delivery), vouched(preset, delivery)
        if not whole and all(isinstance(place, (InHeader, InQuery)) for place in deciding):
            continue
        in_json = any(isinstance(place, InBody) for place in deciding)
        for body in flips(delivery.body):
            came = changed(delivery, body=body)
            event = verdict(preset, came)
            if isinstance(event, type):
                seen.add(event)
                assert event is MalformedBody or not in_json or readable(body), f"nobody can read {body}"
            elif whole:
                assert preset.name in SIGNS_WHAT_IS_READ, f"a bit may be flipped: {body}"
                assert read(event) == read(honest), f"a flipped bit changes what a handler reads: {body}"
            else:
                # Only named fields are signed, or nothing is: those fields are what they were.
                assert vouched(preset, came) == deciding, f"a flipped bit changes what is signed: {body}"
    if not seen:
        pytest.skip("the signature is not in the body and covers nothing of it")
    assert seen == expected(BODY_FLIPPED, preset, _MISMATCH)


@EVERY
def test_every_single_bit_of_the_signature_counts(preset):
    seen, alike = set(), 0
    for delivery in shapes(preset):
        places = signatures(preset, delivery)
        assert places, "nobody knows where the signature is"
        for place in places:
            text = text_at(place, preset, delivery)
            assert text, f"no signature at {place}"
            verify(preset, put(place, delivery, text.encode()))
            for flipped in flips(text):
                event = verdict(preset, put(place, delivery, flipped))
                if isinstance(event, type):
                    note(seen, event, preset, place, flipped)
                    continue
                means = MEANS[preset.name] if isinstance(place, InHeader) and preset.name in MEANS else str
                spelt = flipped.decode("latin-1")
                assert means(spelt) == means(text), f"a bit of {place} may be flipped: {spelt!r}"
                alike += 1
    assert seen == expected(SIGNATURE_FLIPPED, preset, _TIMED if has_time(preset.scheme) else _IN_HEADER)
    assert bool(alike) == (preset.name in MEANS)


@EVERY
def test_every_single_bit_of_what_is_covered_by_name_counts(preset):
    seen, most = set(), 0
    for delivery in shapes(preset):
        places = covered(preset, delivery)
        most = max(most, len(places))
        for place in places:
            for flipped in flips(text_at(place, preset, delivery)):
                note(seen, rejected(preset, put(place, delivery, flipped)), preset, place, flipped)
    if not most:
        pytest.skip("nothing is covered by name")
    usual = _MISMATCH | {MalformedTimestamp} | ({MalformedSignature} if most > 1 else set())
    assert seen == expected(COVERED_FLIPPED, preset, usual)


def has_time(scheme):
    signature = getattr(scheme, "signature", None)
    return isinstance(signature, tuple) and signature[0].layout.has_timestamp


def note(seen, kind, preset, place, flipped):
    """Undecodable bytes have one name in each place; a text may have several."""
    if isinstance(place, InHeader) or is_text(flipped):
        seen.add(kind)
        return
    # Two parse the query themselves: one replaces undecodable bytes, the other names the query as signed.
    usual = MalformedDelivery if isinstance(place, InQuery) else MalformedBody
    assert kind is {"signed-url": SignatureMismatch, "mercado-pago": MalformedSignature}.get(preset.name, usual)


@EVERY
def test_every_single_bit_of_a_signed_url_counts(preset):
    seen = set()
    for delivery in shapes(preset):
        deciding = vouched(preset, delivery)
        named = any(isinstance(place, InQuery) for place in deciding)
        part = SIGNED_OF_THE_URL.get(preset.name, str)
        if not named and part is str and "url" not in preset.scheme.covers:
            continue
        for url in flips(delivery.url):
            came = changed(delivery, url=url.decode("latin-1"))
            event = verdict(preset, came)
            if isinstance(event, type):
                seen.add(event)
            elif named:
                assert vouched(preset, came) == deciding, f"a flipped bit changes what is signed: {came.url}"
            else:
                assert part(came.url) == part(delivery.url), f"a bit may be flipped: {came.url}"
    if not seen:
        pytest.skip("the signature is not in the URL and covers nothing of it")
    assert seen == expected(URL_FLIPPED, preset, _MISMATCH)


@EVERY
def test_somebody_else_s_secret_is_rejected(preset):
    secret, key = another(preset)
    delivery = signed(preset)
    checking = verifier(preset, secret=secret)
    with pytest.raises(SignatureRejected):
        wanted = checking.wants(delivery)
        checking.verify(delivery, found=key if wanted is not None else None)


NEXT_DOOR = URL.replace("/one", "/two")


def two_tenants(preset, outcomes):
    """A guard whose endpoint finds the secret by the path, for two customers of the provider."""
    ours, theirs = Tenant("ours", [public_side(preset)]), Tenant("theirs", [neighbour(preset)[1]])
    found_by = {urlsplit(URL).path: ours, urlsplit(NEXT_DOOR).path: theirs}
    checking = Verifier(preset, lambda path, headers: found_by.get(path), clock=lambda: NOW)
    options = {"public_base_url": "https://example.com"} if "url" in preset.scheme.covers else {}
    endpoint = Endpoint(checking, observers=[outcomes.append], **options)
    return Guard(endpoint, MemoryStore(), **({"keys": Published(preset.name)} if checking.fetches else {}))


def handled(guard, delivery):
    """The store keys of the events that a handler was given."""
    keys = []
    receipt = guard.open(delivery)
    while receipt is not None and receipt.reply is None:
        keys.append(guard.endpoint.key(receipt.event))
        guard.settle(receipt, status=200)
        receipt = guard.next(receipt)
    return keys


@EVERY
def test_a_delivery_signed_with_one_tenants_secret_is_rejected_at_the_endpoint_of_another(preset):
    outcomes = []
    guard = two_tenants(preset, outcomes)
    # Another customer can have the provider sign for the other's URL.
    forged = sent_to(NEXT_DOOR, preset)
    assert handled(guard, forged) == []
    # All TrueLayer shares with anybody is its environments, and each has an address of its own for its keys.
    code = UntrustedKeySource.code if preset.name == "truelayer" else SignatureMismatch.code
    assert [(each.outcome, each.status, each.reason_code) for each in outcomes] == [("rejected", 401, code)]
    # Nothing of it was remembered, so that the event itself still runs.
    assert handled(guard, sent_to_the_neighbour(preset, NEXT_DOOR, neighbour(preset)[0]))


@EVERY
def test_one_id_is_two_events_under_two_tenants(preset):
    guard = two_tenants(preset, [])
    mine, yours = sent_to(URL, preset), sent_to_the_neighbour(preset, NEXT_DOOR, neighbour(preset)[0])
    first, second = handled(guard, mine), handled(guard, yours)
    assert first
    assert len(first) == len(second)
    assert {key.scope for key in first} == {f"{preset.name}/{preset.name}/ours"}
    assert {key.scope for key in second} == {f"{preset.name}/{preset.name}/theirs"}
    if not isinstance(preset.event_id, EachDelivery):
        assert handled(guard, mine) == handled(guard, yours) == []


@EVERY
@pytest.mark.parametrize("side", [-1, 1], ids=["stale", "future"])
def test_a_timestamp_out_of_tolerance_is_rejected(preset, side):
    if not preset.scheme.signs_timestamp:
        pytest.skip("no timestamp is signed")
    rejected(preset, signed(preset, now=NOW + side * (preset.tolerance + 30)), TimestampRejected)


@EVERY
def test_a_last_retry_with_the_time_of_the_first_try_is_accepted_and_runs_once(preset):
    if not preset.scheme.signs_timestamp or preset.facts is None:
        pytest.skip("no timestamp is signed, or nobody knows of retries")
    retried = signed(preset, now=NOW - preset.facts.oldest_retry)
    validity = getattr(preset.scheme, "validity", None)
    if validity is not None and validity(retried)[1] is not None:
        pytest.skip("a token that expires: the provider must sign a retry once more")
    guard = guard_of(preset)
    assert handled(guard, retried)
    assert handled(guard, retried) == []


def second_rejected_with(preset, place):
    if isinstance(place, InHeader):
        return AmbiguousHeader
    if isinstance(place, InQuery):
        # Two parse the query without the framework.
        return MalformedSignature if preset.name in ("signed-url", "mercado-pago") else MalformedDelivery
    return MalformedBody


@EVERY
def test_a_second_signature_is_rejected_wherever_it_is(preset):
    """And a second one of what is covered by name: a header, a key, a field, an element, a parameter."""
    for delivery in shapes(preset):
        for place in (*signatures(preset, delivery), *covered(preset, delivery)):
            if isinstance(place, InBasic):
                continue  # the header is there already
            text = text_at(place, preset, delivery)
            forged = text[:-1] + ("0" if text[-1] != "0" else "1")
            made = doubled(place, delivery, text, forged)
            assert len(made) == 3
            for second in made:
                if preset.name == "mollie":
                    # Its own SDK takes any of several; a forged one beside a right one changes nothing that was signed.
                    verify(preset, second)
                else:
                    assert rejected(preset, second) is second_rejected_with(preset, place)


def test_the_older_of_two_names_does_not_make_up_for_a_forged_signature():
    """DingTalk's signature has two names, and the first that is there counts."""
    delivery = signed(presets.DINGTALK)
    place = signatures(presets.DINGTALK, delivery)[0]
    right = text_at(place, presets.DINGTALK, delivery)
    forged = put(place, delivery, ("0" * 40).encode())
    assert rejected(presets.DINGTALK, changed(forged, url=f"{forged.url}&signature={right}")) is SignatureMismatch


@EVERY
def test_signing_a_delivery_that_cannot_be_signed_raises_a_sentence(preset, monkeypatch):
    """Signing takes any bytes, or says in our own words that this is nothing that the provider could send."""
    signer = private_side(preset)
    # Reading a private key takes longer than all the rest.
    keys = make_keys(preset, signer)
    monkeypatch.setattr("hookguard.preset.make_keys", lambda *_: keys)
    said = []
    kinds = ({}, {"Content-Type": "application/json"}, {"Content-Type": "application/x-www-form-urlencoded"})

    def sign(body, headers):
        try:
            delivery = preset.sign(body, signer, id="id-0001", timestamp=NOW, url=URL, headers=headers)
        except ConfigurationError as error:
            said.append(str(error))
        else:
            verdict(preset, delivery)

    for body in BODIES:
        for headers in kinds:
            sign(body, headers)

    @settings(max_examples=20)
    @given(st.binary(max_size=60), st.sampled_from(kinds))
    def signs(body, headers):
        sign(body, headers)

    signs()
    # Whether it is a sentence that says what to do, only a reader can see.
    assert all(len(sentence) > 40 for sentence in said)
    if preset.name in ("mandrill", "travis"):
        assert any("the body is not UTF-8" in sentence for sentence in said)


@EVERY
def test_half_a_surrogate_pair_is_signed_as_json_can_say_it(preset):
    body, headers = usual_body(preset)
    if not body.lstrip(b"[").startswith(b"{"):
        pytest.skip("the body is no JSON")
    body = body.replace(b"{", b'{"half": "\\ud800", ', 1)
    verify(preset, preset.sign(body, private_side(preset), id="id-0001", timestamp=NOW, url=URL, headers=headers))


@EVERY
def test_nothing_at_all_is_rejected(preset):
    told = []
    for delivery in (Delivery(b"", {}), Delivery(b"{}", {}), Delivery(signed(preset).body, {}, url=URL)):
        try:
            verify(preset, delivery)
        except Rejected as error:
            told.append(str(error))
            continue
        assert preset.scheme.required_header is None, "a delivery without any header was accepted"
        assert delivery.body == signed(preset).body
    # The log is for people: no constructor's call stands in it.
    assert not re.search(r"\b[A-Z]\w+\((\w+=)?['\"]", " ".join(told)), told


@EVERY
def test_the_facts_of_a_preset_are_complete(preset):
    assert preset.title
    assert preset.docs.startswith("https://")
    if preset is presets.SIGNED_URL:
        return
    assert preset.facts is not None
    for fact in vars(type(preset.facts))["__slots__"]:
        assert getattr(preset.facts, fact).source.startswith("https://")


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
