"""JSON pointers to values that stay hidden, by RFC 6901, and bodies without those values."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookguard.inbox.hidden import HIDDEN, LARGEST, read_pointers, shown_body

BODY = b'{"data": {"object": {"card": "4242", "list": [{"card": "1"}, 2]}}, "a/b": 1, "m~n": 2, "": 3}'


@pytest.mark.parametrize(
    ("pointer", "way"),
    [
        ("/data/object/card", ["data", "object", "card"]),
        ("/data/object", ["data", "object"]),
        ("/data/object/list/0/card", ["data", "object", "list", 0, "card"]),
        ("/data/object/list/1", ["data", "object", "list", 1]),
        ("/a~1b", ["a/b"]),
        ("/m~0n", ["m~n"]),
        ("/", [""]),
    ],
)
def test_the_value_that_a_pointer_leads_to_is_replaced(pointer, way):
    expected = json.loads(BODY)
    place = expected
    for step in way[:-1]:
        place = place[step]
    place[way[-1]] = HIDDEN
    assert json.loads(shown_body(BODY, read_pointers([pointer]))) == expected


@pytest.mark.parametrize("pointer", ["/data/card", "/data/object/list/2", "/data/object/list/-1", "/data/object/card/x", "/A~1b"])
def test_a_pointer_that_leads_to_nothing_changes_nothing(pointer):
    assert json.loads(shown_body(BODY, read_pointers([pointer]))) == json.loads(BODY)


def test_of_a_name_that_comes_twice_no_value_is_left():
    assert "4242" not in shown_body(b'{"card": "4242", "card": "4343"}', read_pointers(["/card"]))


@pytest.mark.parametrize("body", [b"card=4242", b"\xff", b"[" * 100_000, b'{"a": ' + b"1" * 5000 + b"}"])
def test_data_that_is_not_json_is_not_shown(body):
    shown = shown_body(body, read_pointers(["/card"]))
    assert shown.startswith("not shown: it is not JSON")
    assert "4242" not in shown


def test_a_body_in_which_nothing_must_be_hidden_is_shown_as_it_is():
    assert shown_body(b'{"card":  "4242"}\xff', ()) == '{"card":  "4242"}\\xff'


def test_only_the_beginning_of_a_long_body_is_shown():
    assert shown_body(b"x" * (LARGEST + 1500), ()) == "x" * LARGEST + "\n… 1,500 more bytes"


@given(
    st.recursive(
        st.none() | st.text(max_size=5) | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=8,
    )
)
def test_a_hidden_value_is_nowhere_in_the_text(other):
    body = json.dumps({"card": {"number": "canary-4242", "other": other}, "other": other}).encode()
    assert "canary" not in shown_body(body, read_pointers(["/card/number"]))
