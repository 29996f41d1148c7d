"""Places are mirrors: what ``put`` writes, ``find`` reads."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookguard import ConfigurationError, FirstOf, InBody, InForm, InHeader, InQuery, InXml, Joined, Preset, TokenScheme, place
from hookguard.bodies import Reading
from hookguard.place import Content, EachDelivery, MatchedSecret, Place
from hookguard.schemes import InEvery
from hookguard.writing import Writing

FORM = {"content-type": "application/x-www-form-urlencoded"}

#: Every text, and those that every place can hold.
TEXTS = st.text(st.characters(), max_size=40)
PLAIN = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)

NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8)
TAGS = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,5}", fullmatch=True)
STEPS = NAMES.map(lambda name: name.replace("\\", "/").replace("\0", "/").replace(".", r"\."))

SINGLE = {
    InHeader: st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,8}", fullmatch=True).map(InHeader),
    InBody: st.lists(STEPS, max_size=4).map(lambda steps: InBody(".".join(steps))),
    InForm: NAMES.filter(lambda name: not name.startswith("--")).map(InForm),
    InQuery: NAMES.map(InQuery),
    InXml: st.lists(TAGS, min_size=1, max_size=4).map(lambda tags: InXml("/".join(tags))),
}
KINDS = {
    **SINGLE,
    FirstOf: st.lists(st.one_of(*SINGLE.values()), min_size=1, max_size=3).map(lambda places: FirstOf(*places)),
    Joined: st.permutations([InHeader("X-Id"), InBody("id"), InBody("data.id"), InQuery("id")]).map(lambda four: Joined(*four)),
}
#: Their text is made when the event arrives.
READ_ONLY = [Content(), EachDelivery(), MatchedSecret()]


def write_and_read(place, value, body=b"", headers=(), url="/hook"):
    writing = Writing(body, dict(headers), "POST", url)
    place.put(writing, value)
    return writing, place.find(Reading(writing.delivery()))


def test_every_kind_of_place_is_here():
    public = {each for name in place.__all__ if isinstance(each := getattr(place, name), type) and issubclass(each, Place)}
    assert public - {Place} == {*KINDS, *map(type, READ_ONLY)}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(st.data())
def test_text_that_was_put_is_found_or_cannot_be_put(kind, data):
    place, value = data.draw(KINDS[kind]), data.draw(TEXTS)
    try:
        _, found = write_and_read(place, value)
    except ConfigurationError:
        return
    assert found == value


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(st.data())
def test_plain_text_can_always_be_put(kind, data):
    place = data.draw(KINDS[kind])
    parts = [data.draw(PLAIN) for _ in range(len(place.places) if kind is Joined else 1)]
    value = "".join(part.replace("%", "%25").replace("/", "%2F") + "/" for part in parts[:-1]) + parts[-1]
    assert write_and_read(place, value)[1] == value


@pytest.mark.parametrize("kind", [InHeader, InBody, InForm, InQuery], ids=lambda kind: kind.__name__)
@given(st.data())
def test_second_text_replaces_the_first(kind, data):
    place = data.draw(KINDS[kind])
    writing, _ = write_and_read(place, data.draw(PLAIN))
    second = data.draw(PLAIN)
    once, found = write_and_read(place, second, writing.body, writing.headers, writing.url)
    assert found == second
    again, _ = write_and_read(place, second, once.body, once.headers, once.url)
    assert (again.body, again.headers, again.url) == (once.body, once.headers, once.url)


def test_rest_of_the_delivery_stays():
    assert write_and_read(InHeader("X-Id"), "1", headers={"x-id": "old", "a": "b"})[0].headers == {"a": "b", "X-Id": "1"}
    body = write_and_read(InBody("data.id"), "1", b'{"data": {"id": 2, "n": 1}, "a": 1.50}')[0].body
    assert json.loads(body) == {"data": {"id": "1", "n": 1}, "a": 1.5}
    assert write_and_read(InForm("id"), "1", b"id=2&a=b+c", FORM)[0].body == b"a=b+c&id=1"
    for url, after in (
        ("/hook?id=2&a=%41", "/hook?a=%41&id=1"),
        ("/hook?a&&b", "/hook?a&&b&id=1"),
        ("https://example.com", "https://example.com?id=1"),
        ("/hook?%69d=1", "/hook?%69d=1"),
    ):
        assert write_and_read(InQuery("id"), "1", url=url)[0].url == after
    assert write_and_read(InXml("a/b"), "1")[0].body == b"<xml><a><b><![CDATA[1]]></b></a></xml>"


def test_field_makes_the_body_a_form():
    writing, _ = write_and_read(InForm("id"), "1", headers={"content-type": "application/json"})
    assert (writing.body, writing.headers) == (b"id=1", {"Content-Type": FORM["content-type"]})


@pytest.mark.parametrize(
    ("place", "delivery", "why"),
    [
        (InBody("a.b"), {"body": b'{"a": 1}'}, "no object or item at 'a.b'"),
        (InBody("a"), {"body": b"{"}, "must be JSON"),
        (InForm("a"), {"body": b'{"a": 1}'}, "not a form"),
        (InForm("--a"), {}, "not a form"),
        (InXml("a"), {"body": b"<xml/>"}, "a new XML body"),
        (InQuery("a"), {"url": "/hook?a=1&a=2"}, "query `a` cannot be written"),
        (Joined(InHeader("X-A"), InHeader("X-B")), {}, "2 parts"),
        (FirstOf(InBody("a"), InForm("a")), {"body": b"a=1", "headers": FORM}, "must be JSON"),
    ],
    ids=str,
)
def test_delivery_that_cannot_hold_the_text(place, delivery, why):
    with pytest.raises(ConfigurationError, match=why):
        write_and_read(place, "2", **delivery)


@pytest.mark.parametrize("place", READ_ONLY, ids=str)
def test_place_without_a_text_of_its_own_is_read_only(place):
    with pytest.raises(ConfigurationError, match="read only"):
        write_and_read(place, "1")


@given(STEPS, STEPS, st.integers(1, 5), PLAIN)
def test_text_is_put_into_every_member_of_a_list(items, field, count, value):
    place = InEvery(items, field)
    writing = Writing(b"", {})
    InBody(items).put(writing, "x")
    document = json.loads(writing.body)
    [name] = document
    writing.body = json.dumps({name: [{"n": position} for position in range(count)]}).encode()
    place.put(writing, value)
    assert place.find_all(Reading(writing.delivery()).document()) == [value] * count


def test_place_that_is_not_one_is_rejected():
    class Half:
        parts = frozenset({"body"})

        def find(self, event):
            return "1"

    with pytest.raises(ConfigurationError, match="event_id is Half: give its place"):
        Preset(name="x", scheme=TokenScheme(), event_id=Half())


def test_place_of_ones_own_inherits_the_rest():
    class First(Place):
        parts = frozenset({"body"})

        def find(self, event):
            document = event.document()
            return document[0] if document else None

    preset = Preset(name="x", scheme=TokenScheme(), event_id=First(), identity="id")
    assert (preset.id_covered, preset.event_id.header, preset.event_id.exact_part()) == (False, None, None)
    with pytest.raises(ConfigurationError, match="First, which is read only"):
        preset.event_id.put(Writing(b"", {}), "1")
