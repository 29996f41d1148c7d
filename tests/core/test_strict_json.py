"""``read_json`` takes short cuts, and decides as the plain strict reader does."""

import json
import os
from pathlib import Path

import plain_json
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hookguard.errors import MalformedBody
from hookguard.strict import json as json_reader
from hookguard.strict.json import read_json

VECTORS = Path(__file__).parent.parent / "vectors"
FOLDER = os.environ.get("HOOKGUARD_PAYLOADS")
SENT = [path.read_bytes() for path in sorted(Path(FOLDER).rglob("*.json"))] if FOLDER else []
SENT += [path.read_bytes() for path in sorted(VECTORS.glob("*.json"))]


def verdict(read, *arguments, **options):
    """The value with its types and the order of its keys; or the error, with its facts."""
    try:
        return repr(read(*arguments, **options))
    except MalformedBody as error:
        return type(error), str(error), error.status, vars(error)


ORDINARY = b'{"id":1,"n":{"a":["b",{}]}},' * 200
#: Long bodies are read in another way than short ones. So each is also read among others.
FRAMES = (
    lambda body: body,
    lambda body: body + b" " * 4000,
    lambda body: b'{"before":[' + ORDINARY + b'0],"it":' + body + b',"after":{"a:b":"{[\\"]}","\\\\":1}}',
    lambda body: b"[" + ORDINARY + body + b"]",
)


def agree(body, most=None):
    for frame in FRAMES:
        framed = frame(body)
        expected = verdict(plain_json.read_json, framed, most=most)
        assert verdict(read_json, framed, most=most) == expected
        if most is None:
            assert quick_verdict(framed) in (expected, "unsure")


def quick_verdict(body):
    """Return the verdict of the quick way alone, also where it does not pay."""
    try:
        return repr(json_reader._read_quickly(body))
    except (ValueError, RecursionError):
        return "unsure"


# --- texts that readers are known to disagree about --------------------------------------------------------------------------

REPEATED = [
    b'{"a":1,"a":1}', b'{"a":1,"a" :2}', b'{"a":1,"\\u0061":2}', b'{"":1,"":2}', b'{"a":{"b":1,"b":1}}', b'[{"a":1,"a":{}}]',
    b'{"a":1,"a":":"}', b'{"a":1,"a":"\\":"}', b'{":":1,":":2}', b'{"a":"\\\\","a":"\\\\"}', b'{"a\\"":1,"a\\"":2}',
    b'{"a":1,"a"\t:\n2}', b'{"\\"":1,"\\u0022":1}', b'{"\xc3\xa9":1,"\\u00e9":2}', b'{"\\ud83d\\ude00":1,"\xf0\x9f\x98\x80":2}',
    b'{"a":1,"b":{"a":1},"a":1}', b'{"a":[{"b":1}],"a":[{"b":1}]}', b'{"a":"}","a":"{"}', b'{"a":1,"a":"\\u003a"}',
]  # fmt: skip
DISTINCT = [
    b'{"a":1,"A":2}', b'{"a":1," a":2}', b'{"\\u0000":1,"":2}', b'{"\xc3\xa9":1,"e\xcc\x81":2}', b'{"a":{"a":{"a":1}}}',
    b'{"a:":":","b":"::"}', b'{"a":"\\\\","b":"\\\\\\""}', b'{"\\"a\\":1":"\\"b\\":2"}', b'{"[":"]","{":"}","\\\\":"\\\\\\\\"}',
    b'{"a":"","b":"","c":["","",""],"d":{"":""}}', b'{"a" : "x : y" , "b"\n:\n":z"}', b'{"a":"{\\"b\\":1,\\"b\\":2}"}',
]  # fmt: skip
NUMBERS = [
    b"0", b"-0", b"-0.0", b"1", b"-1", b"01", b"-01", b"+1", b"1.", b".5", b"1.0", b"1e5", b"1E5", b"1e+5", b"1e-5", b"1e", b"1e+",
    b"1e308", b"1e309", b"-1e309", b"1E+400", b"1e0000000400", b"1.8e308", b"1e-400", b"123456789012345678901234567890", b"0x1",
    b"9" * 309 + b".0", b"9" * 309, b"1" + b"0" * 290 + b"e99", b"1_000", b"1e99999999999999999999", b"-", b"--1", b"0.1.2",
    "\uff11".encode(), "\u0661".encode(), b"1 2", b"Infinity", b"-Infinity", b"NaN", b"nan", b"+Infinity", b"[NaN]", b'{"a":Infinity}',
    b"-NaN", b'["NaN"]', b'["Infinity",1]',
]  # fmt: skip
LONG_NUMBERS = [
    text
    for digits in (199, 500, 639, 641, 998, 999, 1000, 1001, 1002, 1499, 1500, 4299, 4301, 10_000)
    for text in (
        b"1" * digits,
        b"-" + b"1" * (digits - 1),
        b"0." + b"1" * (digits - 2),
        b"1" * (digits // 2) + b"." + b"1" * (digits - digits // 2 - 1),
        b"1." + b"1" * (digits - 5) + b"e-1",
        b"1e" + b"0" * (digits - 3) + b"1",
        b'"' + b"1" * digits + b'"',
        b'"' + b"e" * digits + b'"',
        b"[" + b"1," * digits + b"1.5]",
    )
]
STRINGS = [
    b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\ud83d\\ude00"', b'"\\ud83d"', b'{"\\ud800":1}', b'"\xed\xa0\x80"', b'"\xff"', b'"\xc0\x80"',
    b'"\xf4\x90\x80\x80"', b'"\xe2\x82"', b'"\x00"', b'"\n"', b'"\t"', b'"\x1f"', b'"\x7f"', b'"\xc2\x85"', b'"\xe2\x80\xa8"',
    b'"\\u0000"', b'"\\x41"', b'"\\u12"', b'"\\u 123"', b'"\\u00g0"', b'"\\', b'"\\"', b'"', b"'a'", b'"\\/"', b'"\\b\\f\\n\\r\\t"', b'"\\a"',
    b'"\\\\"', b'"\\\\\\"', b'"a" "b"', b'"\xef\xbb\xbf"', b'"\\uD83D\\u0041"', b'"\\u+123"', b'"\\u-123"', b'"\\\n"',
]  # fmt: skip
STRUCTURES = [
    b"", b" ", b"\n", b"{", b"}", b"[", b"]", b"{}", b"[]", b"{]", b"[}", b"[,]", b"[1,]", b"[,1]", b"{,}", b'{"a"}', b'{"a":}', b'{"a":1,}',
    b"{:1}", b"{1:1}", b"{a:1}", b"[1 2]", b'{"a":1 "b":2}', b'{"a"::1}', b'{"a":1}}', b"[[]", b"[]]", b"[][]", b"{}{}", b"null", b"nul",
    b"NULL", b"True", b"true", b"truex", b"[true false]", b"// comment\n1", b"1 // comment", b"/**/1", b"#1", b"\xef\xbb\xbf1", b"\xef\xbb\xbf{}",
    b"\xff\xfe1\x00", b"\x001", b"1\x00", b"\x0b1", b"\x0c1", b"\xc2\xa01", b"\xe2\x80\x831", b"\r\n1\r\n", b"\t[\t]\t", b"[1]x", b"[1],", b"[1]:",
    b'{"a":1},', b'{"a":1}"', b'"a":1', b"[1:2]", b'{"a",1}', b"undefined", b"[undefined]", b'{"a":1,"b"}', b"\x1a", b"[1]\x1a",
]  # fmt: skip
DEEP = [
    opening * levels + inner + closing * levels
    for levels in (1, 31, 32, 33, 63, 64, 65, 100, 900, 3000)
    for opening, inner, closing in (
        (b"[", b"", b"]"),
        (b"[", b"1", b"]"),
        (b'{"a":', b"1", b"}"),
        (b'{"a":', b"{}", b"}"),
        (b'[{"]}":', b'"]]"', b"}]"),
        (b'["]",', b'"]"', b"]"),
        (b"[", b"1", b""),
        (b"", b"", b"]"),
    )
]
WIDE = [
    b"[" + b"[]," * 4000 + b"[]]",
    b'["' + b"[" * 5000 + b'"]',
    b'["' + b'\\"[' * 500 + b'"]',
    b'{"a":"' + b"}" * 5000 + b'"}',
]


@pytest.mark.parametrize("body", [*REPEATED, *DISTINCT, *NUMBERS, *STRINGS, *STRUCTURES, *WIDE])
def test_a_known_text_gets_the_plain_reader_s_verdict(body):
    agree(body)
    agree(body, most=20)


@pytest.mark.parametrize("body", [*LONG_NUMBERS, *DEEP])
def test_a_long_or_deep_text_gets_the_plain_reader_s_verdict(body):
    agree(body)
    for shift in (0, 1, 49, 99, 100, 250, 499):
        agree(b" " * shift + body)


@pytest.mark.parametrize("body", REPEATED)
def test_a_repeated_key_is_rejected_in_every_frame(body):
    for frame in FRAMES:
        with pytest.raises(MalformedBody):
            read_json(frame(body))


@pytest.mark.parametrize("body", DISTINCT)
def test_distinct_keys_are_read_in_every_frame(body):
    for frame in FRAMES:
        assert read_json(frame(body)) == json.loads(frame(body))


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "latin-1"])
def test_another_encoding_gets_the_plain_reader_s_verdict(codec):
    agree('{"a": "ä"}'.encode(codec))


# --- bodies that providers send ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", SENT)
def test_a_sent_body_gets_the_plain_reader_s_verdict(body):
    agree(body)
    document = json.loads(body)
    for text in (
        json.dumps(document, separators=(",", ":")),
        json.dumps(document, separators=(" , ", " : "), ensure_ascii=False),
        json.dumps(document, indent=2),
        json.dumps([document] * 3),
        json.dumps({"Message": body.decode(), "again": json.dumps(body.decode())}),
    ):
        agree(text.encode())


def test_ordinary_bodies_are_read_quickly(monkeypatch):
    monkeypatch.setattr(json_reader, "_read_strictly", None)
    sent = [body for body in SENT if len(body) > 5000 and b"\\" not in body and b'"pull_request"' in body]
    for body in [b"[" + ORDINARY + b"0]", *sent]:
        assert read_json(body) == json.loads(body)


# --- any text ----------------------------------------------------------------------------------------------------------------

TOKENS = st.sampled_from(
    [
        b"{", b"}", b"[", b"]", b":", b",", b'"', b'\\"', b"\\\\", b"\\", b'"a"', b'"a":', b'"b" :', b'"":', b'""', b'"\\u0061":', b'":"',
        b'"[":', b'"\\"":', b'"\\\\":', b"1", b"-1.5", b"1e5", b"1e400", b"E+999", b"NaN", b"Infinity", b"-Infinity", b"true", b"null",
        b" ", b"\n", b"\t", b"\x00", b"\x1f", "é".encode(), "日".encode(), b"\xff", b"\\ud800", b"\\n", b"\xef\xbb\xbf", b"{}", b"[]", b"0" * 300,
    ]
)  # fmt: skip


@settings(max_examples=500)
@given(st.lists(TOKENS, max_size=25).map(b"".join), st.sampled_from([None, 3]))
def test_any_tokens_get_the_plain_reader_s_verdict(body, most):
    agree(body, most)


SPACE = st.sampled_from(["", "", "", " ", "\n", "\t", "\r\n", "  "])
KEYS = st.sampled_from(
    ["a", "b", "", ":", '"', "\\", "]", "{", 'a":', "\\\\", "é", "日", "\U0001f600", "\ud800", "e", "1e5", "\\u0061"]
)
SCALARS = st.one_of(
    st.sampled_from(["1", "-0", "1.5", "1e5", "1e400", "-1E+309", "NaN", "Infinity", "true", "null", "1" * 1001, "1" * 999, "0." + "1" * 1000]),
    st.integers().map(str),
    st.floats().map(json.dumps),
    st.text().map(json.dumps),
    st.text(alphabet='":[]{}\\,1e', max_size=12).map(json.dumps),
    KEYS.map(lambda key: json.dumps(key, ensure_ascii=False)),
)  # fmt: skip


@st.composite
def written(draw, depth=0):
    """JSON text with odd strings, white space in odd places, and keys that may repeat."""
    kind = draw(st.sampled_from(["scalar", "object", "list"] if depth < 4 else ["scalar"]))
    if kind == "scalar":
        return draw(SPACE) + draw(SCALARS) + draw(SPACE)
    items = []
    for _ in range(draw(st.integers(0, 4))):
        text = draw(written(depth=depth + 1))
        if kind == "object":
            key = json.dumps(draw(KEYS), ensure_ascii=draw(st.booleans()))
            text = draw(SPACE) + key + draw(SPACE) + ":" + text
        items.append(text)
    opening, closing = "{}" if kind == "object" else "[]"
    return draw(SPACE) + opening + ",".join(items) + draw(SPACE if not items else st.just("")) + closing + draw(SPACE)


@settings(max_examples=500)
@given(written())
@example('{"a":"\\\\","a":"\\\\\\":"}')
def test_any_written_json_gets_the_plain_reader_s_verdict(text):
    agree(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_body_gets_the_plain_reader_s_verdict(data):
    body = bytearray(data.draw(st.sampled_from(SENT)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)))
        until = data.draw(st.integers(at, min(len(body), at + 30)))
        to = data.draw(st.integers(0, len(body)))
        piece = data.draw(st.one_of(st.just(bytes(body[to : to + until - at])), TOKENS))
        body[at:until] = piece
    damaged = bytes(body)
    expected = verdict(plain_json.read_json, damaged)
    assert verdict(read_json, damaged) == expected
    assert quick_verdict(damaged) in (expected, "unsure")
