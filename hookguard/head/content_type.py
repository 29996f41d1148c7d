"""The Content-Type, checked against the signed bytes.

Frameworks choose a parser by it, and no provider signs it. With another Content-Type, a captured delivery could be parsed as
content that its sender never wrote. So it counts only if the bytes agree with it.
"""

from __future__ import annotations

import re

from hookguard.errors import UnsupportedEncoding
from hookguard.headers import Headers

__all__ = ["FORM", "PLAIN_JSON", "agreed_type", "begins_as_form", "check_charset", "says_form"]

FORM = "application/x-www-form-urlencoded"

#: The Content-Types of most deliveries, for which the general checks have one answer. They cost 6 us of a request.
PLAIN_JSON = frozenset({"application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"})

#: How JSON, XML and multipart begin. Every sender of forms escapes these characters.
_NO_FORM = (b"{", b"[", b'"', b"<", b"--", b" ", b"\t", b"\r", b"\n")
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*[{\[\"]")
_XML = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*<")
#: The parameter with its value, anywhere in the header, because parsers split the header in different ways.
_CHARSET = re.compile(r"charset[^;,]*", re.IGNORECASE)
_BLANK = re.compile(r"[\s\"']+")
#: Types for which no framework has a parser.
_NEUTRAL = frozenset({"", "text/plain", "application/octet-stream"})
#: A type without wildcards, because Django REST framework compares types with wildcards: ``*/*`` matches its form parser.
_CONCRETE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+", re.ASCII)
#: Some handlers search for these words anywhere in the header.
_NAMES_FORM = re.compile(r"multipart|form-data|url-?encoded", re.IGNORECASE)
_BOUNDARY = re.compile(r"boundary=(\"?)([0-9A-Za-z'()+_,./:=?-]{1,70})\1 *(?:;|\Z)", re.ASCII | re.IGNORECASE)


def says_form(headers: Headers) -> bool:
    """Whether the Content-Type is ``application/x-www-form-urlencoded``."""
    return _media_type(_value(headers)) == FORM


def begins_as_form(body: bytes) -> bool:
    """Whether the bytes may be a form: JSON, XML and multipart begin with what a form escapes."""
    return not body.startswith(_NO_FORM)


def check_charset(headers: Headers) -> None:
    """Raise UnsupportedEncoding if the Content-Type names another charset than UTF-8.

    In UTF-7, plain letters can encode syntax: a framework that follows the header would parse an attacker's text as fields.
    """
    value = headers._values.get("content-type")
    if type(value) is not str:
        value = _value(headers)
    if value in PLAIN_JSON:
        return
    for found in _CHARSET.findall(value):
        if _BLANK.sub("", found).lower() not in ("charset=utf-8", "charset=utf8"):
            raise UnsupportedEncoding("the Content-Type names another charset than UTF-8, and signed bodies are decoded as UTF-8")


def agreed_type(headers: Headers, body: bytes, *, forms: bool = False) -> str | None:
    """Return the Content-Type to parse the body by, or None if the one that came agrees with the bytes.

    ``forms`` means that the provider sends forms: then a form is recognized by its bytes alone.
    """
    value = _value(headers)
    if not body or (value in PLAIN_JSON and body.startswith((b"{", b"["))):
        return None
    kind = _media_type(value)
    is_form = begins_as_form(body) and body.isascii()
    if forms and is_form and b"=" in body:
        right = FORM
        agrees = kind == FORM
    else:
        right = _type_of(body)
        if kind == FORM:
            agrees = is_form
        elif kind.startswith("multipart/"):
            agrees = _begins_with_boundary(value, body)
        else:
            agrees = not _NAMES_FORM.search(value) and _may_be_read_as(kind, right)
    return None if agrees else right


def _may_be_read_as(kind: str, right: str) -> bool:
    """Whether every framework parses such a Content-Type as the type of the bytes."""
    if kind in _NEUTRAL:
        return True
    if right in ("application/json", "application/xml"):
        return _CONCRETE.fullmatch(kind) is not None and kind.endswith(right.partition("/")[2])
    return _CONCRETE.fullmatch(kind) is not None


def _media_type(value: str) -> str:
    return value.partition(";")[0].strip().lower()


def _value(headers: Headers) -> str:
    """Return the header's value; AmbiguousHeader if it has several, because frameworks may choose different ones."""
    value = headers._values.get("content-type")
    if type(value) is str:
        return value
    values = headers.all("content-type")
    if values and values.count(values[0]) == len(values):
        return values[0]
    return headers.one("content-type") or ""


def _begins_with_boundary(value: str, body: bytes) -> bool:
    # The body begins with the boundary, and the body is signed: so the header must name the same boundary.
    found = _BOUNDARY.findall(value)
    return len(found) == value.lower().count("boundary") == 1 and body.startswith(b"--%b\r\n" % found[0][1].encode())


def _type_of(body: bytes) -> str:
    if _JSON.match(body):
        return "application/json"
    return "application/xml" if _XML.match(body) else "application/octet-stream"
