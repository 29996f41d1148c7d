"""Bodies are read the same by every reader, and reading one before its signature is checked costs little."""

import tracemalloc
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookguard import Delivery, Verifier
from hookguard.bodies import Reading, form_pairs, read_json, read_xml
from hookguard.errors import MalformedBody, Rejected
from hookguard.presets import get

PIECES = (
    "a",
    "=",
    "&",
    "%",
    "%41",
    "%c3%a9",
    "%C3%A9",
    "%C3",
    "+",
    "%zz",
    "%4",
    "%3D",
    "%26",
    "_",
    "\r\n",
    "%0A",
    "%25",
    " ",
    ";",
    "~",
)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_a_form_is_read_as_python_reads_it(text):
    try:
        expected = parse_qsl(text, keep_blank_values=True, errors="strict")
    except ValueError:
        with pytest.raises(MalformedBody):
            form_pairs(text.encode())
    else:
        assert form_pairs(text.encode()) == expected


@pytest.mark.parametrize("body", [b"a=" + b"%" * 2000, b"&".join([b"a"] * 1001), b"&" * 1000, "ä=1".encode()])
def test_a_form_that_costs_too_much_or_is_not_ascii_is_rejected(body):
    with pytest.raises(MalformedBody):
        form_pairs(body)


MEGABYTE = 1 << 20


def peak(read):
    """Bytes of memory that reading takes at most."""
    tracemalloc.start()
    try:
        read()
    except Rejected:
        pass
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return most


def filled(start, piece, end):
    return start + piece * ((MEGABYTE - len(start) - len(end)) // len(piece)) + end


FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("piece", [b"%41", b"a%41", b"ab%41", b"%F0%9F%98%80", b"%", b"a%", b"+", b"=", b"%zz"])
@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("twilio", {"x-twilio-signature": "AAAA"}),
        ("plivo", {"x-plivo-signature-v3": "AAAA", "x-plivo-signature-v3-nonce": "1"}),
        ("mandrill", {"x-mandrill-signature": "AAAA"}),
        ("travis", {"signature": "AAAA"}),
        ("alipay", {}),
        ("paytm", {}),
        ("braintree", {}),
        ("mailgun", {}),
    ],
)
def test_an_unsigned_form_takes_little_memory(name, headers, piece):
    from example_secrets import public_side

    verifier = Verifier(name, public_side(get(name)))
    start = b"bt_signature=a|b&sign=AAAA&CHECKSUMHASH=AAAA&payload=" if name != "travis" else b"payload="
    delivery = Delivery(filled(start, piece, b""), {**FORM, **headers}, url="https://x.example/")

    def verify():
        verifier.verify(delivery, found=verifier.wants(delivery))  # not the key, but that is seen after the body

    assert peak(verify) < 16 * MEGABYTE


@pytest.mark.parametrize(
    ("start", "piece", "end"),
    [
        (b"[", b'{"":0},', b"0]"), (b"[", b"[],", b"0]"), (b"[", b"{},", b"0]"), (b"[", b"1.5,", b"0]"), (b"[", b'"\\u00e9",', b"0]"),
        (b'{"a": "', b",", b'"}'),
    ],
)  # fmt: skip
def test_unsigned_json_takes_little_memory(start, piece, end):
    body = filled(start, piece, end)
    assert peak(Reading(Delivery(body, {})).document) < 16 * MEGABYTE
    small = filled(start, piece, end)[: 60 * 1024].rpartition(b",")[0] + b"," + end
    assert Reading(Delivery(small, {})).document() == read_json(small)


@pytest.mark.parametrize("piece", [b"<b/>", b'<b c=""/>', b"<b></b>", b"<b>x</b>"])
def test_unsigned_xml_takes_little_memory(piece):
    assert peak(Reading(Delivery(filled(b"<a>", piece, b"</a>"), {})).xml) < 16 * MEGABYTE


def test_a_verified_body_may_be_large():
    body = filled(b"[", b"[],", b"0]")
    assert len(Reading(Delivery(body, {}), verified=True).document()) > 300_000
    xml = filled(b"<a>", b"<b/>", b"</a>")
    assert len(Reading(Delivery(xml, {}), verified=True).xml()) > 200_000


@pytest.mark.parametrize(
    "body",
    [
        "<xml><a>日</a></xml>".encode("utf-16"),
        "<xml><a>日</a></xml>".encode("utf-16-le"),
        "<xml><a>日</a></xml>".encode("utf-16-be"),
        '<?xml version="1.0" encoding="utf-16"?><xml><a>日</a></xml>'.encode("utf-16"),
        "<xml><a>日</a></xml>".encode("utf-32"),
        b'<?xml version="1.0" encoding="utf-16"?><xml/>',
        b'<?xml version="1.0" encoding="utf-7"?><xml>+AGE-</xml>',
        '<?xml version="1.0" encoding="iso-8859-1"?><xml>ä</xml>'.encode(),
        "<xml>ä</xml>".encode("latin-1"),
        b"<xml>\0</xml>",
    ],
)
def test_xml_in_another_encoding_than_utf_8_is_rejected(body):
    with pytest.raises(MalformedBody):
        read_xml(body)


@pytest.mark.parametrize(
    "body",
    [
        "\ufeff<xml>ä</xml>".encode(),
        '<?xml version="1.0" encoding="UTF-8"?><xml>ä</xml>'.encode(),
        b'<?xml version="1.0" encoding="iso-8859-1"?><xml>a</xml>',
    ],
)
def test_xml_that_every_reader_reads_alike_is_read(body):
    assert read_xml(body).text in ("ä", "a")


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_json_in_another_encoding_than_utf_8_is_rejected(codec):
    with pytest.raises(MalformedBody):
        read_json('{"a": "日"}'.encode(codec))


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8", "utf-8-sig", "gbk"])
def test_a_form_that_is_not_escaped_is_rejected(codec):
    with pytest.raises(MalformedBody):
        form_pairs("a=日".encode(codec))
