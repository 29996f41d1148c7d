"""A delivery that is being signed: headers, JSON, forms and XML written as :mod:`hookguard.bodies` reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

from hookguard.bodies import read_json, read_xml
from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedBody
from hookguard.head.content_type import FORM, begins_as_form, says_form
from hookguard.headers import Headers
from hookguard.json_path import put, read, steps

__all__ = ["Writing", "as_text", "put_form", "put_json", "write_json"]


class Writing:
    """A delivery that is being signed. Places write to it: the mirror of :class:`~hookguard.bodies.Reading`.

    Each method raises ConfigurationError if the delivery cannot hold the value.
    """

    __slots__ = ("body", "headers", "method", "url")

    def __init__(self, body: bytes, headers: Mapping[str, str], method: str = "POST", url: str = "") -> None:
        self.body = body
        self.headers = dict(headers)
        self.method = method
        self.url = url

    def delivery(self) -> Delivery:
        """Return the delivery as it is now."""
        return Delivery(self.body, self.headers, self.method, self.url)

    def put_header(self, name: str, value: str) -> None:
        """Write a header, in place of any other value."""
        self.headers = {each: text for each, text in self.headers.items() if each.lower() != name.lower()}
        self.headers[name] = value

    def put_json(self, path: str, value: str) -> None:
        """Write a text at a dotted path in the JSON body; an empty body becomes an object."""
        self.body = put_json(self.body, path, value)

    def put_form(self, name: str, value: str) -> None:
        """Write a field of the form body, and the Content-Type by which a form is recognized."""
        body = put_form(self.body, name, value)
        if not begins_as_form(body):
            raise ConfigurationError(f"the body is not a form, so it cannot hold the field {name!r}")
        self.body = body
        if not says_form(Headers(self.headers)):
            self.put_header("Content-Type", FORM)

    def put_xml(self, path: str, value: str) -> None:
        """Write a new XML body, with a text in the element at a path under the root."""
        if self.body:
            raise ConfigurationError(f"the element {path!r} is written into a new XML body only: leave the body empty")
        self.body = _new_xml(path, value)


def put_json(body: bytes, path: str, value: str) -> bytes:
    """Return the JSON body with ``value`` at a dotted path, for signing; the same body if the value is there already.

    ConfigurationError if the body is not JSON, or the path leads nowhere in it.
    """
    try:
        document = read_json(body or b"{}")
    except MalformedBody as error:
        raise ConfigurationError(f"the body must be JSON, because the signature is put at {path!r}: {error}") from None
    way = steps(path)
    if read(document, way) == value:
        return body
    if not way:
        return write_json(value)
    if not put(document, way, value):
        raise ConfigurationError(f"the body has no object or item at {path!r}, where the signature is put")
    return write_json(document)


def write_json(document: Any) -> bytes:
    """Return JSON without white space, as ``read_json`` reads it."""
    try:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        # Half a surrogate pair: JSON can escape it, and UTF-8 cannot encode it.
        return json.dumps(document, separators=(",", ":")).encode()


def as_text(raw: bytes, what: str) -> str:
    """Return the text for a field of a form or of JSON, for signing; ConfigurationError if it is not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{what} is not UTF-8, so no field of a form or of JSON can hold it: pass text") from None


def put_form(body: bytes, field: str, value: str) -> bytes:
    """Return the form body with ``value`` in a field, for signing; the same body if the value is there already."""
    pair = f"{quote_plus(field)}={quote_plus(value)}".encode()
    others = [item for item in body.split(b"&") if item and item.partition(b"=")[0] != pair.partition(b"=")[0]]
    return body if pair in body.split(b"&") else b"&".join([*others, pair])


def _new_xml(path: str, value: str) -> bytes:
    names = ["xml", *path.split("/")]
    start, end = "".join(f"<{name}>" for name in names), "".join(f"</{name}>" for name in reversed(names))
    body = f"{start}<![CDATA[{value}]]>{end}".encode()
    try:
        elements = [*read_xml(body).iter()]
    except MalformedBody:
        elements = []
    # XML has no way to write some characters, and some texts would end the section.
    if [element.tag for element in elements] != names or elements[-1].text != value:
        raise ConfigurationError(f"the element {path!r} cannot hold this text: XML has no way to write it")
    return body
