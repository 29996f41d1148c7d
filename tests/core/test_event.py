import hashlib
import json
from urllib.parse import urlencode

import pytest

from hookguard import (
    ConfigurationError,
    Delivery,
    FirstOf,
    HmacScheme,
    InBody,
    InForm,
    InHeader,
    Joined,
    Preset,
    SignatureHeader,
    Verifier,
)
from hookguard.errors import AmbiguousHeader, MalformedBody, MalformedHeader

SECRET = "a-secret-that-is-long-enough"
FORM = "application/x-www-form-urlencoded"


def verified(body, headers=None, *, event_id=InBody("id"), event_type=InBody("type"), identity="content", json_field=None):
    preset = Preset(
        name="acme",
        scheme=HmacScheme(signature=SignatureHeader("X-Sig", "{hex}")),
        event_id=event_id,
        event_type=event_type,
        identity=identity,
        json_field=json_field,
    )
    return Verifier(preset, SECRET).verify(preset.sign(body, SECRET, headers=headers))


def test_an_event_is_what_was_delivered():
    event = verified(b'{"id": "evt_1", "type": "paid"}', {"X-Trace": "7"})
    assert (event.provider, event.id, event.type, event.secret, event.timestamp) == ("acme", "evt_1", "paid", "#1", None)
    assert (event.body, event.headers["x-trace"], event.url) == (b'{"id": "evt_1", "type": "paid"}', "7", "")
    assert event.json() == {"id": "evt_1", "type": "paid"}
    assert event.covers == {"body"}
    assert (event.attempt, event.idempotency_key, event.tenant) == (1, "", None)
    assert event.digest() == hashlib.sha256(event.body).hexdigest() == event.fingerprint().hex()
    assert event.fingerprint() is event.fingerprint()
    assert event.json() is event.json()
    assert "evt_1" not in repr(event)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"   ", b"{", b"{}x", b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", '{"a": 1}'.encode("utf-16"), b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}', b"NaN", b"[Infinity]", b"-Infinity", b"1e400", b'{"a": -1e999}', b"1" * 1001, b"1." + b"1" * 1000, b"[" * 65 + b"]" * 65,
        b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 70 + b"1" + b"}" * 70, b"'a'", b'{"a": 01}', b'"\x00"', b'"\xff"',
    ],
)  # fmt: skip
def test_json_is_read_strictly(body):
    with pytest.raises(MalformedBody) as raised:
        verified(body).json()
    assert raised.value.__cause__ is None
    assert raised.value.status == 400


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"[" * 64 + b"]" * 64, None),
        (b"1" * 1000, int("1" * 1000)),
        (b"null", None),
        (b'"\\ud800"', "\ud800"),
        ('{"ä": "ö"}'.encode(), {"ä": "ö"}),
        (b' {"a": -1.5e3} \n', {"a": -1500.0}),
        (b"[" + b"[]," * 100 + b"1]", [*([[]] * 100), 1]),
    ],
)
def test_json_that_is_read(body, value):
    found = verified(body).json()
    assert value is None or found == value


@pytest.mark.parametrize(
    ("body", "place", "found"),
    [
        (b'{"id": "a"}', InBody("id"), "a"),
        (b'{"id": 7}', InBody("id"), "7"),
        (b'{"id": 0}', InBody("id"), "0"),
        (b'{"data": {"object": {"id": "deep"}}}', InBody("data.object.id"), "deep"),
        (b'{"event_id": "b"}', FirstOf(InBody("id"), InBody("event_id")), "b"),
        (b'{"id": "a", "type": "t"}', Joined(InBody("id"), InBody("type")), "a/t"),
    ],
)
def test_ids_in_the_body(body, place, found):
    assert verified(body, event_id=place, identity="id").id == found


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"id": ""}', b'{"id": null}', b'{"id": true}', b'{"id": 1.5}', b'{"id": {}}', b'{"id": []}', b"[]", b'"id"', b"1"],
)
def test_without_the_id_the_content_is_the_identity(body):
    event = verified(body, event_id=InBody("id"), identity="id")
    assert (event.id, event.lacks_id) == ("sha256:" + hashlib.sha256(body).hexdigest(), True)


def test_an_id_in_a_body_that_cannot_be_read():
    with pytest.raises(MalformedBody):
        _ = verified(b"{", event_id=InBody("id"), identity="id").id


def test_headers_as_ids():
    place = InHeader("X-Id")
    assert verified(b"", {"X-Id": "abc"}, event_id=place, identity="id+content").id == "abc"
    assert not verified(b"", {"X-Id": "abc"}, event_id=place, identity="id+content").lacks_id
    assert verified(b"", {"X-Id": "  "}, event_id=place, identity="id+content").lacks_id
    with pytest.raises(MalformedHeader):
        _ = verified(b"", {"X-Id": "a\0"}, event_id=place, identity="id+content").id
    assert verified(b"{}", event_id=Joined(place, InBody("id")), identity="id+content").lacks_id


def test_a_repeated_id_header_is_ambiguous():
    event = verified(b"{}", event_id=InHeader("X-Id"), identity="id+content")
    event._delivery = Delivery(b"{}", [("X-Id", "a"), ("x-id", "b")])
    with pytest.raises(AmbiguousHeader):
        _ = event.id


def test_a_provider_without_ids_lacks_none():
    event = verified(b"anything", event_id=None)
    assert not event.lacks_id
    assert event.id == "sha256:" + hashlib.sha256(b"anything").hexdigest()


def test_joined_ids_of_other_parts_are_never_equal():
    place = Joined(InBody("a"), InBody("b"))
    texts = [("a/b", "c"), ("a", "b/c"), ("a%2Fb", "c"), ("a%252Fb", "c")]
    ids = {verified(json.dumps({"a": a, "b": b}).encode(), event_id=place, identity="id").id for a, b in texts}
    assert len(ids) == len(texts)
    assert verified(b'{"a": "a", "b": "b/c"}', event_id=place, identity="id").id == "a/b/c"


@pytest.mark.parametrize("odd", ["ä", "a b", "a\nb", "x" * 256, "\ud800", "x" * 100_000])
def test_an_odd_id_is_replaced_by_its_digest_and_never_cut(odd):
    event = verified(json.dumps({"id": odd}).encode(), identity="id")
    assert event.id == "sha256:" + hashlib.sha256(odd.encode("utf-8", "surrogatepass")).hexdigest()
    assert event.id != verified(json.dumps({"id": odd + "!"}).encode(), identity="id").id
    assert verified(json.dumps({"id": "x" * 255}).encode(), identity="id").id == "x" * 255


def test_the_type_may_be_missing():
    assert verified(b"{}").type == ""
    assert verified(b"{}", event_type=None).type == ""
    assert verified(b"", {"X-Type": "push"}, event_type=InHeader("X-Type")).type == "push"


# --- forms


def form(body, **options):
    return verified(body, {"Content-Type": options.pop("content_type", FORM)}, **options)


def test_forms_are_read_into_fields():
    event = form(b"command=%2Fweather&text=a+b&empty=", event_id=InForm("command"), event_type=InForm("text"))
    assert dict(event.form) == {"command": "/weather", "text": "a b", "empty": ""}
    assert (event.id, event.type) == ("/weather", "a b")
    assert event.form is event.form
    assert form(b"empty=", event_id=InForm("empty"), event_type=None).type == ""
    assert form(b"a=1", event_id=InForm("b"), identity="id").lacks_id
    with pytest.raises(TypeError):
        event.form["command"] = "x"


@pytest.mark.parametrize("content_type", [FORM, FORM.upper(), f"{FORM}; charset=utf-8"])
def test_a_form_is_read_under_its_content_types(content_type):
    assert dict(form(b"a=1", content_type=content_type).form) == {"a": "1"}


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x", "", "text/plain"])
def test_a_body_under_another_content_type_has_no_form(content_type):
    assert dict(form(b"a=1", content_type=content_type).form) == {}


@pytest.mark.parametrize("body", [b"a=1&a=2", b"a=%ff", b"\xff=1", b"&".join(b"a%d=1" % n for n in range(1001))])
def test_malformed_forms_are_rejected(body):
    with pytest.raises(MalformedBody):
        _ = form(body).form


def test_json_in_a_form_field():
    body = urlencode({"payload": '{"id": "1", "type": "push"}'}).encode()
    event = form(body, json_field="payload")
    assert event.json() == {"id": "1", "type": "push"}
    assert (event.id, event.type) == ("1", "push")
    with pytest.raises(MalformedBody):
        form(b"payload=%7B", json_field="payload").json()
    with pytest.raises(MalformedBody, match=r"event\.form"):
        form(b"a=1", json_field="payload").json()


STRANGER = "&payload=%7B%22id%22%3A%22evil%22%7D&id=evil&"


@pytest.mark.parametrize("body", [{"id": "1", "text": STRANGER}, [{"id": "1", "text": STRANGER}], STRANGER])
@pytest.mark.parametrize("content_type", [FORM, f"{FORM}; charset=utf-8", "text/plain", "", "application/json"])
def test_json_is_json_under_any_content_type(body, content_type):
    event = form(json.dumps(body).encode(), content_type=content_type, json_field="payload", event_id=InForm("id"))
    assert event.json() == body
    assert event.form == {}


def test_json_in_a_form_field_counts_only_if_it_is_the_only_field():
    for body in (b"payload=%7B%7D&x=1", b"x=1&payload=%7B%7D", b"payload=%7B%7D&x", b"text" + STRANGER.encode()):
        event = form(body, json_field="payload")
        assert "payload" in event.form
        with pytest.raises(MalformedBody, match=r"event\.form"):
            event.json()
    with pytest.raises(MalformedBody):
        form(b"", json_field="payload").json()
    assert form(b"payload=null", json_field="payload").json() is None


@pytest.mark.parametrize("content_type", [FORM, "application/json", "text/plain", "multipart/form-data; boundary=x", ""])
def test_where_forms_are_sent_no_content_type_hides_one(content_type):
    event = form(b"id=7&text=x", content_type=content_type, event_id=InForm("id"), identity="id")
    assert (event.form, event.id) == ({"id": "7", "text": "x"}, "7")
    event = form(b"payload=%7B%22id%22%3A+1%7D", content_type=content_type, json_field="payload")
    assert event.json() == {"id": 1}


def test_places_say_what_they_read():
    assert InBody("a").parts == InForm("a").parts == {"body"}
    assert InHeader("X-Id").parts == {"x-id"}
    assert FirstOf(InBody("a"), InHeader("X-Id")).parts == Joined(InBody("a"), InHeader("X-Id")).parts == {"body", "x-id"}
    assert repr(FirstOf(InBody("a"))) == "FirstOf(InBody(path='a'))"
    assert repr(Joined(InForm("a"))) == "Joined(InForm(field='a'))"


@pytest.mark.parametrize("name", ["", "X_Id", " X-Id", "X-Ïd"])
def test_header_names_are_checked(name):
    with pytest.raises(ConfigurationError, match="header name"):
        InHeader(name)


def test_a_delivery_takes_bytes_and_hides_them():
    for body in ("text", bytearray(b"x"), memoryview(b"x"), None, {"a": 1}):
        with pytest.raises(TypeError, match="raw bytes"):
            Delivery(body, {})
    delivery = Delivery(b"secret body", {"X-Sig": "secret value"}, url="/hook")
    assert repr(delivery) == "Delivery(POST '/hook', 11 bytes, Headers(x-sig))"
    with pytest.raises(AttributeError):
        delivery.body = b"other"
