"""Nobody signs the Content-Type: it counts only as far as the signed bytes agree with it."""

import pytest

from hookguard import Headers
from hookguard.errors import AmbiguousHeader, UnsupportedEncoding
from hookguard.head.content_type import agreed_type, check_charset, says_form

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "kind",
    [
        "", "application/json", FORM, "application/json; charset=utf-8", 'text/plain;charset="UTF-8"', f"{FORM}; Charset=UTF8",
        "application/json; charset = utf-8 ; version=1", "application/json; charset=utf-8; charset=utf-8",
    ],
)  # fmt: skip
def test_utf_8_is_the_charset_whether_it_is_named_or_not(kind):
    check_charset(Headers({"Content-Type": kind}))


@pytest.mark.parametrize(
    "kind",
    [
        "application/json; charset=utf-7", f"{FORM}; charset=iso-8859-1", 'application/json; charset="utf-16"', "text/xml;charset=gbk",
        "application/json; charset=utf-8; charset=utf-7", "application/json; charset*=us-ascii''utf-7", "application/json; charset*0=utf-7",
        "application/json; x=1, charset=utf-7", "application/json; charset", "application/json; CHARSET=UTF-7", "application/json; charset=",
        'application/json; charset="utf\\-8"',
    ],
)  # fmt: skip
def test_another_charset_is_rejected_however_it_is_named(kind):
    with pytest.raises(UnsupportedEncoding) as rejected:
        check_charset(Headers({"Content-Type": kind}))
    assert rejected.value.status == 415


def test_two_content_types_are_ambiguous_unless_they_are_the_same():
    with pytest.raises(AmbiguousHeader):
        check_charset(Headers([("Content-Type", "application/json"), ("content-type", FORM)]))
    check_charset(Headers([("Content-Type", FORM), ("content-type", FORM)]))
    with pytest.raises(UnsupportedEncoding):
        check_charset(Headers([("Content-Type", f"{FORM};charset=utf-7"), ("content-type", f"{FORM};charset=utf-7")]))
    assert says_form(Headers([("Content-Type", FORM), ("content-type", FORM)]))


MULTIPART = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n'


@pytest.mark.parametrize(
    ("kind", "body", "forms", "agreed"),
    [
        (FORM, b"a=1", False, None),
        (FORM, b"", False, None),
        (FORM, b'{"a": "&payload=1"}', False, "application/json"),
        (FORM, b' [{"a": "&payload=1"}]', True, "application/json"),
        (FORM, b'\xef\xbb\xbf{"a": "&payload=1"}', True, "application/json"),
        (FORM, b'"&payload=1"', True, "application/json"),
        (FORM, b"<a>&payload=1</a>", False, "application/xml"),
        (FORM, MULTIPART, False, "application/octet-stream"),
        (FORM, b"\xff&payload=1", False, "application/octet-stream"),
        ("multipart/form-data; boundary=b", MULTIPART, False, None),
        ('multipart/form-data; boundary="b"', MULTIPART, False, None),
        ("multipart/form-data; boundary=c", MULTIPART, False, "application/octet-stream"),
        ("multipart/form-data; boundary=b; boundary=c", MULTIPART, False, "application/octet-stream"),
        ("multipart/form-data; boundary*=b", MULTIPART, False, "application/octet-stream"),
        ("multipart/form-data; boundary=b", b"<a>\r\n" + MULTIPART, False, "application/xml"),
        ("multipart/form-data; boundary=b", b'{"a": 1}', False, "application/json"),
        ("multipart/form-data", b"a=1", False, "application/octet-stream"),
        ("application/json", b"a=1", False, None),
        ("application/json", b"a=1", True, FORM),
        ("", b"a=1", True, FORM),
        ("text/plain", b'{"a": "x=1"}', True, None),
        ("", b'{"a": 1}', False, None),
        ("text/plain", b"hello", True, None),
        # Wildcards match the parsers of Django REST framework.
        ("*/x-www-form-urlencoded", b'{"a": "&paid=1"}', False, "application/json"),
        ("application/*", b'{"a": "&paid=1"}', False, "application/json"),
        ("*/*", b"<a>&paid=1</a>", False, "application/xml"),
        ("*/form-data; boundary=b", b'{"a": 1}', False, "application/json"),
        ("*/*", b"hello", False, "application/octet-stream"),
        # Handlers look for the name of a type anywhere in the header.
        (f"application/json; a={FORM}", b'{"a": "&paid=1"}', False, "application/json"),
        (f"{FORM}, application/json", b'{"a": "&paid=1"}', False, "application/json"),
        ("application/x-url-encoded", b'{"a": "&paid=1"}', False, "application/json"),
        ("text/csv", b'{"a": 1,\n"b": 2}', False, "application/json"),
        ("application/xml", b'{"a": 1}', False, "application/json"),
        ("application/json", b"<a/>", False, "application/xml"),
        ("application/problem+json; charset=utf-8", b'{"a": 1}', False, None),
        ("application/x-ndjson", b'{"a": 1}\n{"a": 2}', False, None),
        ("text/plain; format=flowed", b'{"a": 1}', False, None),
        ("application/soap+xml", b"<a/>", False, None),
        ("image/png", b"\x89PNG", False, None),
        # A form is a form, whatever the header says.
        ("multipart/form-data; boundary=b", b"a=1", True, FORM),
        ("*/*", b"a=1", True, FORM),
    ],
)
def test_the_content_type_chooses_the_parser_of_a_body(kind, body, forms, agreed):
    headers = Headers({"Content-Type": kind} if kind else {})
    assert agreed_type(headers, body, forms=forms) == agreed
