"""One dotted path: what reads, writes and walks it takes the same dialect."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookguard import ConfigurationError, InBody, Preset, TokenScheme, Verifier
from hookguard.batch import Batch
from hookguard.bodies import Reading
from hookguard.json_path import join, put, read, steps, walk
from hookguard.schemes import FieldsScheme, InEvery
from hookguard.writing import put_json

SECRET = "a-secret-of-sufficient-length"

NAMES = st.text(st.characters(exclude_characters="\\\0", exclude_categories=("Cs",)), min_size=1).filter(
    lambda name: not name.isdecimal()
)


def written(*names):
    return ".".join(name.replace(".", r"\.") for name in names)


@given(st.lists(NAMES, min_size=1, max_size=5), st.integers())
def test_a_value_put_at_a_path_is_read_there(names, value):
    document = {}
    path = steps(written(*names))
    assert path == tuple(names)
    assert put(document, path, value)
    assert read(document, path) == value


@pytest.mark.parametrize(
    ("path", "value"),
    [("a.b", None), ("a.0.b", "x"), ("a.1.b", None), ("a.-1.b", None), ("a.0.b.c", None), ("", {"a": [{"b": "x"}]}), ("a.²", None), ("a." + "9" * 5000, None)],
)  # fmt: skip
def test_a_path_reads_objects_and_lists(path, value):
    assert read({"a": [{"b": "x"}]}, steps(path)) == value


@pytest.mark.parametrize("path", [".", "a.", ".a", "a..b"])
@pytest.mark.parametrize("reader", [InBody, Batch, lambda path: InEvery(path, "t"), lambda path: InEvery("items", path)])
def test_an_empty_step_is_rejected_by_every_reader(reader, path):
    with pytest.raises(ConfigurationError, match="empty step"):
        reader(path)


def test_putting_a_value_never_replaces_what_is_on_the_way():
    document = {"a": "text", "b": [1]}
    assert not put(document, steps("a.b"), 1)
    assert not put(document, steps("b.1"), 1)
    assert document == {"a": "text", "b": [1]}
    assert put(document, steps("b.0"), 2)
    assert document["b"] == [2]


def test_joined_paths_follow_each_other():
    assert join("", 0, "", "b") == "0.b"
    assert join(r"a\.b", 1, "c") == r"a\.b.1.c"


@pytest.mark.parametrize("path", ["a.0.b", r"odata\.items"])
def test_every_reader_of_a_list_takes_the_same_path(path):
    document = {"odata.items": [{"id": "1", "t": SECRET}], "a": [{"b": [{"id": "1", "t": SECRET}]}]}
    members = [{"id": "1", "t": SECRET}]
    assert walk(document, steps(path)) == members
    assert Batch(path).members(document) == members
    assert InEvery(path, "t").find_all(document) == [SECRET]
    assert InBody(path).value(_reads(document)) == members


def test_a_list_on_the_way_is_walked_through():
    assert walk({"a": [{"b": [1]}, {"b": [2, 3]}]}, steps("a.b")) == [1, 2, 3]
    assert walk({"a": [{"b": [1]}, {"b": 2}]}, steps("a.b")) is None


@pytest.mark.parametrize(
    ("token", "body"),
    [
        (InBody(r"@auth\.token"), b'{"id":"1"}'),
        (InBody("meta.token"), b'{"id":"1"}'),
        (InBody("items.0"), b'{"id":"1","items":["old"]}'),
        (InEvery(r"odata\.value", r"client\.state"), b'{"id":"1","odata.value":[{},{}]}'),
        (InEvery("sets.1.value", "deep.state"), b'{"id":"1","sets":[{},{"value":[{}]}]}'),
        (InEvery("", "state"), b"[{}, {}]"),
    ],
)
def test_a_signed_token_is_verified_at_the_same_path(token, body):
    acme = Preset(name="acme", scheme=TokenScheme(token=token), event_id=InBody("id"), identity="id")
    delivery = acme.sign(body, SECRET)
    Verifier(acme, SECRET).verify(delivery)
    assert acme.sign(delivery.body, SECRET).body == delivery.body


@pytest.mark.parametrize(("each", "wrapped"), [(r"odata\.items", ""), ("sets.0.items", r"the\.item"), ("", "item.inner")])
def test_members_are_signed_and_verified_at_the_same_path(each, wrapped):
    scheme = FieldsScheme(signature=InBody(r"the\.hmac"), signed=[InBody("id")], each=each, wrapped=wrapped)
    document = [{"id": "1"}, {"id": "2"}]
    if wrapped:
        names = steps(wrapped)
        document = [_within(member, names) for member in document]
    document = {r"odata\.items": {"odata.items": document}, "sets.0.items": {"sets": [{"items": document}]}, "": document}[each]
    acme = Preset(name="acme", scheme=scheme, event_id=InBody("id"), identity="id+content")
    delivery = acme.sign(json.dumps(document).encode(), SECRET)
    assert b'"the.hmac"' in delivery.body
    scheme.verify(delivery, _keys(acme))


def test_a_body_that_holds_the_value_already_stays_as_it_is():
    assert put_json(b'{ "a.b": "x" }', r"a\.b", "x") == b'{ "a.b": "x" }'


def _within(value, names):
    for name in reversed(names):
        value = {name: value}
    return value


def _keys(preset):
    return Verifier(preset, SECRET)._keys


def _reads(document):
    class Readable(Reading):
        def document(self):
            return document

    return Readable.__new__(Readable)
