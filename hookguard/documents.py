"""Bodies read strictly: JSON, forms and XML.

What a signature proves is the bytes, and every reader must read the same out of them: so no repeated keys, no NaN, no byte
order mark, no document type, and bounds on what reading costs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, quote_plus
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedBody
from hookguard.headers import Headers

__all__ = ["Reading", "as_text", "put_form", "put_json", "read_form", "read_json", "read_xml", "says_form", "write_json"]

#: Containers inside containers that a JSON body may hold. Python's own parser stops near 1,000 or kills the stack.
MAX_DEPTH = 64
#: Digits of one number. Converting text to int takes quadratic time.
MAX_DIGITS = 1000
#: Fields of one form.
MAX_FIELDS = 1000


class Reading:
    """A delivery that is not verified yet, as a place looks into it: for schemes whose signature is in the body.

    ``document()``, ``form`` and ``xml()`` raise MalformedBody. ``json_field`` is the form field that holds JSON, where one does.
    """

    __slots__ = ("_body", "_document", "_form", "_json_field", "_xml", "headers", "url")

    def __init__(self, delivery: Delivery, json_field: str | None = None) -> None:
        self.headers: Headers = delivery.headers
        self.url: str = delivery.url
        self._body = delivery.body
        self._json_field = json_field

    def document(self) -> Any:
        """Return the JSON the body or its form field holds; None when the body is a form without any."""
        try:
            return self._document
        except AttributeError:
            pass
        document: Any = None
        if not says_form(self.headers):
            document = read_json(self._body)
        elif self._json_field is not None and self._json_field in self.form:
            document = read_json(self.form[self._json_field].encode("utf-8", "surrogatepass"))
        self._document: Any = document
        return document

    @property
    def form(self) -> Mapping[str, str]:
        """The body as a form, empty when it is none."""
        try:
            return self._form
        except AttributeError:
            self._form: Mapping[str, str] = MappingProxyType(read_form(self._body) if says_form(self.headers) else {})
            return self._form

    def xml(self) -> Element:
        """Return the root of the body's XML."""
        try:
            return self._xml
        except AttributeError:
            self._xml: Element = read_xml(self._body)
            return self._xml


def says_form(headers: Headers) -> bool:
    """Whether the Content-Type says ``application/x-www-form-urlencoded``."""
    content_type = headers.get("content-type") or ""
    return content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded"


def read_form(body: bytes) -> dict[str, str]:
    """Return a form's fields; MalformedBody when it is not UTF-8, repeats a field or has more than 1,000 of them."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError as error:  # UnicodeDecodeError is one too
        raise MalformedBody(f"the form cannot be read ({type(error).__name__})") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedBody("the form repeats a field")
    return fields


def read_json(body: bytes) -> Any:
    """Return the JSON a body holds.

    MalformedBody unless it is UTF-8 without a byte order mark, without repeated keys, NaN or Infinity, of at most 64 levels
    and 1,000 digits a number.
    """
    try:
        document = _DECODER.decode(body.decode("utf-8"))
    except RecursionError:
        raise MalformedBody("the JSON is nested too deeply") from None
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors too
        # The error's own text may quote the body.
        raise MalformedBody(f"the body is not JSON as hookguard reads it ({type(error).__name__})") from None
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth_exceeds(document, MAX_DEPTH):
        raise MalformedBody(f"the JSON is nested more than {MAX_DEPTH} levels deep")
    return document


def put_json(body: bytes, path: str, value: str) -> bytes:
    """Return the JSON body with ``value`` at a dotted path, for signing; the very same body when it is there already.

    ConfigurationError when the body is no JSON object that the path leads into.
    """
    try:
        document = read_json(body or b"{}")
    except MalformedBody as error:
        raise ConfigurationError(f"the body must be JSON, as the signature goes into {path!r} of it: {error}") from None
    *steps, last = path.split(".")
    inner = document
    for step in steps:
        if isinstance(inner, list) and step.isdecimal() and int(step) < len(inner):
            inner = inner[int(step)]
        elif isinstance(inner, dict):
            inner = inner.setdefault(step, {})
    if not isinstance(inner, dict):
        raise ConfigurationError(f"the body has no object that {path!r} leads into, and the signature goes there")
    if inner.get(last) == value:
        return body
    inner[last] = value
    return write_json(document)


def write_json(document: Any) -> bytes:
    """Return JSON that ``read_json`` reads, as short as it gets."""
    try:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        # Half a surrogate pair, which JSON can say with an escape and UTF-8 cannot say at all.
        return json.dumps(document, separators=(",", ":")).encode()


def as_text(raw: bytes, what: str) -> str:
    """Return what goes into a field of a form or of JSON, for signing; ConfigurationError when it is not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{what} is not UTF-8, and no field of a form or of JSON can hold it: give text") from None


def put_form(body: bytes, field: str, value: str) -> bytes:
    """Return the form body with ``value`` in a field, for signing; the very same body when it is there already."""
    pair = f"{quote_plus(field)}={quote_plus(value)}".encode()
    others = [item for item in body.split(b"&") if item and item.partition(b"=")[0] != pair.partition(b"=")[0]]
    return body if pair in body.split(b"&") else b"&".join([*others, pair])


def read_xml(body: bytes) -> Element:
    """Return the root of an XML document.

    MalformedBody unless it is well-formed UTF-8 of at most 64 levels. A document type is refused as soon as it begins, so that
    no entity is ever defined, let alone fetched; comments and processing instructions are left out.
    """
    builder = TreeBuilder()
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise MalformedBody(f"the XML is nested more than {MAX_DEPTH} levels deep")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def refuse(*_: Any) -> None:
        raise MalformedBody("the XML has a document type, which none of ours needs")

    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        # The error's own text says where and what, and quotes nothing.
        raise MalformedBody(f"the body is not XML as hookguard reads it ({error})") from None
    return builder.close()


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a repeated key")
    return found


def _number(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError("a number of too many digits")
    return int(text)


def _float(text: str) -> float:
    if len(text) > MAX_DIGITS:
        raise ValueError("a number of too many digits")
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number that is too large")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_no_repeats, parse_int=_number, parse_float=_float, parse_constant=_no_constant)


def _depth_exceeds(document: Any, limit: int) -> bool:
    level = [document]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True
