import base64
import hmac
import json

import pytest

from hookguard import (
    ConfigurationError,
    Delivery,
    FirstOf,
    InBody,
    InForm,
    InHeader,
    InQuery,
    Joined,
    Preset,
    SignatureHeader,
    Verifier,
)
from hookguard.batch import Batch
from hookguard.envelope import FramedAes
from hookguard.errors import (
    MalformedBody,
    MalformedDelivery,
    MalformedHeader,
    MalformedSignature,
    MalformedTimestamp,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
    TimestampOutOfTolerance,
)
from hookguard.place import InXml
from hookguard.schemes import FieldsScheme, IfPresent, InSignature
from hookguard.schemes.sorted_hash import SortedHashScheme
from hookguard.testing import FrozenClock

SECRET = "a-secret-that-is-long-enough"
OTHER = "another-secret-of-some-length"
NOW = 1_700_000_000
FORM = {"content-type": "application/x-www-form-urlencoded"}


def mac(text, secret=SECRET, digest="sha256"):
    return hmac.digest(secret.encode(), text.encode(), digest)


def preset(scheme, event_id=None, **more):
    return Preset(name="x", scheme=scheme, event_id=event_id, **{"identity": None if event_id else "content", **more})


def verify(scheme, body, headers=(), secrets=(SECRET,), url=""):
    return Verifier(preset(scheme), secrets, clock=FrozenClock(NOW)).verify(Delivery(body, headers, "POST", url))


# --- fields of the body: as Mailgun and Dropbox Sign do ---

TIME = FirstOf(InBody("signature.timestamp"), InForm("timestamp"))
TOKEN = FirstOf(InBody("signature.token"), InForm("token"))
IN_BODY = FieldsScheme(
    signature=FirstOf(InBody("signature.signature"), InForm("signature")), signed=(TIME, TOKEN), timestamp=TIME
)


def test_fields_of_a_json_body():
    body = b'{"signature": {"token": "abc"}, "event-data": {"id": "1"}}'
    signed = preset(IN_BODY).sign(body, SECRET, timestamp=NOW)
    document = json.loads(signed.body)
    assert document["signature"] == {"token": "abc", "timestamp": str(NOW), "signature": mac(f"{NOW}abc").hex()}
    event = verify(IN_BODY, signed.body, secrets=(OTHER, SECRET))
    assert (event.secret, event.timestamp) == ("#2", NOW)
    assert event.covers == {
        "body:signature.timestamp, else form:timestamp",
        "body:signature.token, else form:token",
    }
    with pytest.raises(SignatureMismatch):
        verify(IN_BODY, signed.body, secrets=(OTHER,))
    for change in ({"token": "abd"}, {"timestamp": str(NOW + 1)}, {"signature": mac(f"{NOW}abc").hex().upper()}):
        changed = {**document, "signature": {**document["signature"], **change}}
        with pytest.raises((SignatureMismatch, MalformedSignature)):
            verify(IN_BODY, json.dumps(changed).encode())
    for missing, error in (("token", MissingSignature), ("timestamp", MissingTimestamp), ("signature", MissingSignature)):
        changed = {**document, "signature": {name: value for name, value in document["signature"].items() if name != missing}}
        with pytest.raises(error):
            verify(IN_BODY, json.dumps(changed).encode())
    assert preset(IN_BODY).sign(signed.body, SECRET, timestamp=NOW + 9).body == signed.body, "what is signed stays as it is"


def test_fields_of_a_form():
    text = mac(f"{NOW}abc").hex()
    assert verify(IN_BODY, f"timestamp={NOW}&token=abc&signature={text}".encode(), FORM).timestamp == NOW
    with pytest.raises(SignatureMismatch):
        verify(IN_BODY, f"timestamp={NOW}&token=abd&signature={text}".encode(), FORM)
    with pytest.raises(MalformedBody):
        verify(IN_BODY, f"timestamp={NOW}&token=abc&token=abd&signature={text}".encode(), FORM)
    scheme = FieldsScheme(signature=InForm("sig"), signed=(InForm("time"), InForm("kind")), timestamp=InForm("time"))
    signed = preset(scheme).sign(b"kind=a+b", SECRET, timestamp=NOW, headers=FORM)
    assert signed.body == f"kind=a+b&time={NOW}&sig={mac(f'{NOW}a b').hex()}".encode()
    assert verify(scheme, signed.body, FORM).covers == {"form:time", "form:kind"}


@pytest.mark.parametrize("stamp", ["0", "-1", "1e9", "\uff11", "nan"])
def test_a_timestamp_is_read_strictly(stamp):
    body = json.dumps({"signature": {"timestamp": stamp, "token": "t", "signature": mac(f"{stamp}t").hex()}}).encode()
    with pytest.raises(MalformedTimestamp):
        verify(IN_BODY, body)


def test_a_border_that_moves_makes_a_stale_timestamp():
    # The two are joined without a border: digits may move from the token to the time, and only the time's size shows it.
    body = json.dumps({"signature": {"timestamp": f"{NOW}1", "token": "2", "signature": mac(f"{NOW}12").hex()}}).encode()
    with pytest.raises(TimestampOutOfTolerance):
        verify(IN_BODY, body)


@pytest.mark.parametrize(("stamp", "token"), [("170000000", "01"), (f"{NOW}1", "2"), ("1", "7000000001")])
def test_a_border_that_moves_is_rejected_though_no_age_is_checked(stamp, token):
    body = json.dumps({"signature": {"timestamp": stamp, "token": token, "signature": mac(stamp + token).hex()}}).encode()
    verifier = Verifier(preset(IN_BODY), SECRET, tolerance=None, allow_stale=True)
    with pytest.raises(TimestampOutOfTolerance, match="digits"):
        verifier.verify(Delivery(body, {}))


REFUND = FieldsScheme(signature=InBody("sig"), signed=(InBody("id"), ":", IfPresent(InBody("refund")), ":", InBody("status")))


@pytest.mark.parametrize("added", [True, False, 1.5, 0.0, ["all"], [], {"amount": 1}, {}, [None]])
def test_a_field_that_may_be_missing_cannot_be_added(added):
    signed = preset(REFUND, InBody("id")).sign(b'{"id": "1", "status": "paid"}', SECRET)
    body = json.dumps({**json.loads(signed.body), "refund": added}).encode()
    with pytest.raises(MalformedSignature, match="not text"):
        verify(REFUND, body)


@pytest.mark.parametrize("empty", [None, ""])
def test_a_field_that_may_be_missing_may_be_empty(empty):
    signed = preset(REFUND, InBody("id")).sign(b'{"id": "1", "status": "paid"}', SECRET)
    assert verify(REFUND, json.dumps({**json.loads(signed.body), "refund": empty}).encode())
    with pytest.raises(SignatureMismatch):
        verify(REFUND, json.dumps({**json.loads(signed.body), "refund": 0}).encode())


def test_an_earlier_place_than_the_signed_one_holds_text_or_is_missing():
    scheme = FieldsScheme(signature=InBody("s"), signed=(FirstOf(InBody("new"), InBody("old")), ":", InBody("id")))
    body = {"old": "a", "id": "7", "s": mac("a:7").hex()}
    assert verify(scheme, json.dumps(body).encode())
    for added in (True, ["b"], {"b": 1}):
        with pytest.raises(MalformedSignature):
            verify(scheme, json.dumps({**body, "new": added}).encode())


def test_an_element_that_may_be_missing_cannot_be_added():
    scheme = FieldsScheme(
        signature=SignatureHeader("X-Sig", "{hex}"), signed=(InXml("id"), ":", IfPresent(InXml("refund")), ":", InXml("status"))
    )
    headers = {"X-Sig": mac("1::paid").hex()}
    assert verify(scheme, b"<x><id>1</id><status>paid</status></x>", headers)
    assert verify(scheme, b"<x><id>1</id><refund/><status>paid</status></x>", headers)
    with pytest.raises(MalformedSignature):
        verify(scheme, b"<x><id>1</id><refund><all>1</all></refund><status>paid</status></x>", headers)


def test_json_in_a_form_field():
    scheme = FieldsScheme(signature=InBody("event.hash"), signed=(InBody("event.time"), InBody("event.type")), json_field="json")
    document = json.dumps({"event": {"time": "1", "type": "t", "hash": mac("1t").hex()}})
    from urllib.parse import urlencode

    assert verify(scheme, urlencode({"json": document}).encode(), FORM).secret == "#1"
    with pytest.raises(MissingSignature):
        verify(scheme, b"a=1", FORM)


# --- a manifest of query and headers: as Mercado Pago does ---

MANIFEST = FieldsScheme(
    signature=SignatureHeader("X-Signature", "ts={timestamp},v1={hex}"),
    signed=(
        IfPresent(InQuery("data.id"), "id:", ";"),
        IfPresent(InHeader("X-Request-Id"), "request-id:", ";"),
        "ts:",
        InSignature(),
        ";",
    ),
    timestamp=InSignature(),
)


def test_a_manifest_leaves_out_what_is_missing():
    def headers(text, request="r1"):
        found = {"X-Signature": f"ts={NOW},v1={mac(text).hex()}"}
        return {**found, "X-Request-Id": request} if request else found

    url = "https://example.com/hook?type=payment&data.id=42"
    event = verify(MANIFEST, b"{}", headers(f"id:42;request-id:r1;ts:{NOW};"), url=url)
    assert (event.timestamp, event.covers) == (NOW, {"query:data.id", "x-request-id"})
    assert verify(MANIFEST, b"{}", headers(f"request-id:r1;ts:{NOW};"), url="/hook").secret == "#1"
    assert verify(MANIFEST, b"{}", headers(f"id:42;ts:{NOW};", ""), url=url).secret == "#1"
    for text, request, target in (
        (f"id:42;request-id:r1;ts:{NOW};", "r2", url),
        (f"id:42;request-id:r1;ts:{NOW};", "r1", url.replace("42", "43")),
        (f"id:42;request-id:r1;ts:{NOW};", "", url),
    ):
        with pytest.raises(SignatureMismatch):
            verify(MANIFEST, b"{}", headers(text, request), url=target)


def test_a_value_cannot_hold_the_text_that_ends_it():
    # One manifest, two readings: the id with all of the rest in it, or two fields.
    headers = {"X-Signature": f"ts={NOW},v1={mac(f'id:42;request-id:r1;ts:{NOW};').hex()}"}
    with pytest.raises(MalformedSignature, match="the text that ends it"):
        verify(MANIFEST, b"{}", headers, url="/hook?data.id=42%3Brequest-id%3Ar1")
    with pytest.raises(MalformedDelivery):
        verify(MANIFEST, b"{}", headers, url="/hook?data.id=42&data.id=43")
    scheme = FieldsScheme(signature=InBody("s"), signed=(InBody("a"), ":", InBody("b")), borders=False)
    assert verify(scheme, json.dumps({"a": "x:y", "b": "z", "s": mac("x:y:z").hex()}).encode()).secret == "#1"


def test_the_manifest_is_signed_the_same_way():
    made = preset(MANIFEST, InQuery("data.id"))
    signed = made.sign(b"{}", SECRET, timestamp=NOW, url="/hook?data.id=42", headers={"x-request-id": "r1"})
    assert signed.headers["x-signature"] == f"ts={NOW},v1={mac(f'id:42;request-id:r1;ts:{NOW};').hex()}"
    assert Verifier(made, SECRET, clock=FrozenClock(NOW)).verify(signed).id == "42"


def test_a_signed_field_may_be_the_events_id():
    assert preset(MANIFEST, InQuery("data.id")).id_covered
    assert preset(MANIFEST, Joined(InQuery("data.id"), InHeader("X-Request-Id"))).id_covered
    with pytest.raises(ConfigurationError, match="does not cover the event id"):
        preset(MANIFEST, InBody("id"))
    with pytest.raises(ConfigurationError, match="does not cover the event id"):
        preset(IN_BODY, InBody("signature.token"))


def test_the_first_of_several_signed_places_may_be_the_events_id():
    token = FirstOf(InBody("token"), InForm("token"))
    scheme = FieldsScheme(signature=InBody("sig"), signed=(InBody("time"), ":", token))
    assert preset(scheme, FirstOf(InBody("token"), InForm("token"))).id_covered
    assert preset(scheme, Joined(token, InBody("time"))).id_covered
    assert preset(scheme, FirstOf(InBody("time"), token)).id_covered
    # Found where the other kind of body is signed, either of them may be anybody's.
    for other in (InBody("token"), FirstOf(InForm("token"), InBody("token")), FirstOf(token, InBody("id"))):
        with pytest.raises(ConfigurationError, match="does not cover the event id"):
            preset(scheme, other)
    # The event would read the JSON of a form field, of which the scheme reads nothing.
    with pytest.raises(ConfigurationError, match="does not cover the event id"):
        Preset(name="acme", scheme=scheme, event_id=token, json_field="payload")


def test_a_field_signed_in_every_member_is_the_id_of_members_alone():
    def made(event_id, batch):
        return Preset(name="acme", scheme=MEMBERS, event_id=event_id, batch=batch)

    assert made(InBody("Item.ref"), Batch("items")).id_covered
    for event_id, batch in (
        (InBody("Item.ref"), None),
        (InBody("Item.ref"), Batch("others")),
        (InBody("ref"), Batch("items")),
        (InBody("Item.other"), Batch("items")),
    ):
        with pytest.raises(ConfigurationError, match="does not cover the event id"):
            made(event_id, batch)


def test_the_fields_of_a_signed_envelope_are_signed():
    def made(place):
        scheme = SortedHashScheme(signature=InQuery("signature"), signed=InBody("encrypt"), fields=("aes_key", "owner"))
        return Preset(name="acme", scheme=scheme, event_id=InBody("id"), envelope=FramedAes(place, "owner"))

    assert made(InBody("encrypt")).id_covered
    with pytest.raises(ConfigurationError, match="does not cover the event id"):
        made(InBody("other"))


def test_a_timestamp_in_a_header_of_its_own():
    place = InHeader("X-Time")
    scheme = FieldsScheme(signature=SignatureHeader("X-Sig", "{hex}"), signed=(place, ".", InBody("id")), timestamp=place)
    signed = preset(scheme).sign(b'{"id": "7"}', SECRET, timestamp=NOW)
    assert verify(scheme, signed.body, signed.headers).timestamp == NOW
    with pytest.raises(MissingTimestamp):
        verify(scheme, signed.body, {"X-Sig": signed.headers["x-sig"]})
    for value in ("é", "ab\r\ncd"):
        with pytest.raises((MalformedSignature, MalformedHeader, SignatureMismatch)):
            verify(scheme, signed.body, {"X-Sig": value, "X-Time": str(NOW)})


# --- members that each have their own signature, as Adyen does ---

MEMBERS = FieldsScheme(
    signature=InBody("data.sig"),
    layout="{base64}",
    signed=(InBody("ref"), ":", IfPresent(InBody("was")), ":", InBody("amount.value")),
    borders=False,
    each="items",
    wrapped="Item",
)


def member(ref, secret=SECRET, **more):
    text = base64.b64encode(mac(f"{ref}:{more.get('was', '')}:5", secret)).decode()
    return {"Item": {"ref": ref, "amount": {"value": 5}, "data": {"sig": text}, **more}}


def test_every_member_is_checked():
    def body(*members):
        return json.dumps({"items": members}).encode()

    assert verify(MEMBERS, body(member("a"), member("b:c", was="\\:")), secrets=(OTHER, SECRET)).secret == "#2"
    for members in ((member("a"), member("b", OTHER)), (member("b", OTHER), member("a"))):
        with pytest.raises(SignatureMismatch):
            verify(MEMBERS, body(*members))
    for members in ((), (member("a"), {"Item": {"ref": "b", "amount": {"value": 5}}})):
        with pytest.raises(MissingSignature):
            verify(MEMBERS, body(*members))
    for members in (("x",), ({"Item": 1},), ({},), (member("a"), None)):
        with pytest.raises(MalformedBody):
            verify(MEMBERS, body(*members))
    for raw in (b"[]", b"1", b'{"items": {}}'):
        with pytest.raises(MissingSignature):
            verify(MEMBERS, raw)
    with pytest.raises(MalformedSignature, match="1001 members"):
        verify(MEMBERS, body(*[member("a")] * 1001))


def test_every_member_is_signed():
    unsigned = {"items": [{"Item": {"ref": ref, "amount": {"value": 5}}} for ref in "ab"]}
    signed = preset(MEMBERS).sign(json.dumps(unsigned).encode(), SECRET)
    assert verify(MEMBERS, signed.body).secret == "#1"
    assert [entry["Item"]["data"]["sig"] for entry in json.loads(signed.body)["items"]] == [
        member(ref)["Item"]["data"]["sig"] for ref in "ab"
    ]


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"signed": ("x",)}, "at least one field"),
        ({"signed": (InBody("a"),), "timestamp": InBody("t")}, "is not signed and proves nothing"),
        ({"signed": (InBody("a"),), "digest": "md5"}, "digest 'md5'"),
        ({"signed": (InBody("a"),), "each": "x", "signature": SignatureHeader("X", "{hex}")}, "its own signature"),
        ({"signed": (InSignature(),), "timestamp": InSignature()}, "go together"),
        ({"signed": (InBody("a"),), "signature": SignatureHeader("X", "t={timestamp},v={hex}")}, "go together"),
    ],
)
def test_parts_that_do_not_fit(parts, why):
    with pytest.raises(ConfigurationError, match=why):
        FieldsScheme(**{"signature": InBody("s"), **parts})


def test_signing_what_cannot_be_signed():
    with pytest.raises(ConfigurationError, match="one signature"):
        preset(MANIFEST).sign(b"{}", [SECRET, OTHER])
    with pytest.raises(ConfigurationError, match="must be JSON"):
        preset(FieldsScheme(signature=InBody("s"), signed=(InQuery("a"),))).sign(b"{", SECRET, url="/?a=1")
