"""Bodies read strictly: JSON, forms and XML.

A signature proves only the bytes, and every parser must read the same values from them. So repeated keys, NaN, byte order
marks and document types are rejected, and the cost of parsing is bounded.
"""

from __future__ import annotations

import re
from binascii import a2b_qp
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from hookguard.delivery import Delivery
from hookguard.errors import MalformedBody
from hookguard.head.content_type import begins_as_form, says_form
from hookguard.headers import Headers
from hookguard.strict.json import MAX_DEPTH, read_json

__all__ = ["Reading", "form_pairs", "read_form", "read_json", "read_xml"]

#: Fields of one form.
MAX_FIELDS = 1000
#: Stray percent signs in one name or value of a form. Senders escape the sign itself.
MAX_STRAY = 1000
#: Values of a JSON body, and elements of an XML body, that are parsed before the signature is checked. A megabyte of small
#: objects takes thirty in memory, and anybody can send one. Only envelopes are XML then.
MAX_UNVERIFIED, MAX_UNVERIFIED_ELEMENTS = 200_000, 10_000

#: Encodings in which ASCII is ASCII.
_LIKE_ASCII = re.compile(
    r"us-ascii|iso-8859-[0-9]{1,2}|windows-125[0-8]|gb2312|gbk|gb18030|big5|euc-(?:jp|kr)", re.IGNORECASE | re.ASCII
)
_STRAY = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class Reading:
    """A delivery's body, parsed once. Places read it: for schemes whose signature is in the body, and for events.

    ``document()``, ``form`` and ``xml()`` raise MalformedBody. ``json_field`` is the form field that holds JSON, if any.
    ``forms`` means that the provider sends forms. ``content`` is the content of an opened envelope. Before the signature is
    checked, the bounds are tighter: see ``MAX_UNVERIFIED``.
    """

    __slots__ = ("_content", "_delivery", "_document", "_form", "_forms", "_json_field", "_verified", "_xml")

    def __init__(
        self,
        delivery: Delivery,
        json_field: str | None = None,
        *,
        forms: bool = False,
        content: bytes | None = None,
        verified: bool = False,
    ) -> None:
        self._delivery = delivery
        self._json_field = json_field
        self._forms = forms
        self._content = content
        self._verified = verified

    @property
    def headers(self) -> Headers:
        """The delivery's headers."""
        return self._delivery.headers

    @property
    def url(self) -> str:
        """The delivery's target."""
        return self._delivery.url

    def member(self, document: Any) -> Reading:
        """Return the reading of one of several events in the body; ``document`` is its JSON."""
        member = Reading(self._delivery, self._json_field, forms=self._forms, content=self._content, verified=self._verified)
        member._document = document
        return member

    @property
    def is_opened(self) -> bool:
        """Whether the body is an envelope that was opened."""
        return self._content is not None

    @property
    def content(self) -> bytes:
        """The content of the opened envelope; otherwise the body."""
        return self._delivery.body if self._content is None else self._content

    @property
    def is_form(self) -> bool:
        """Whether the body is a form.

        The Content-Type is not signed. So it never turns JSON or XML into a form, and it is ignored if the provider sends
        forms.
        """
        body = self._delivery.body
        if not begins_as_form(body):
            return False
        return says_form(self._delivery.headers) or (self._forms and body.isascii() and b"=" in body)

    @property
    def holds_json(self) -> bool:
        """Whether there is JSON: the envelope's content, a body that is not a form, or the only field of a form.

        With other fields beside it, the field does not count: a body that is not a form could be parsed as such a form.
        """
        return self.is_opened or not self.is_form or [*self.form] == [self._json_field]

    def document(self) -> Any:
        """Return the JSON in the body or in its form field; None if the body is a form without JSON."""
        try:
            return self._document
        except AttributeError:
            pass
        document: Any = None
        if self.holds_json:
            document = read_json(self._json(), most=None if self._verified else MAX_UNVERIFIED)
        self._document: Any = document
        return document

    def _json(self) -> bytes:
        if self._json_field is not None and not self.is_opened and self.is_form:
            return self.form[self._json_field].encode("utf-8", "surrogatepass")
        return self.content

    @property
    def form(self) -> Mapping[str, str]:
        """The body as a form; empty if it is not a form."""
        try:
            return self._form
        except AttributeError:
            self._form: Mapping[str, str] = MappingProxyType(read_form(self._delivery.body) if self.is_form else {})
            return self._form

    def xml(self) -> Element:
        """Return the root of the body's XML."""
        try:
            return self._xml
        except AttributeError:
            most = None if self._verified else MAX_UNVERIFIED_ELEMENTS
            self._xml: Element = read_xml(self.content, most=most)
            return self._xml


def form_pairs(body: bytes) -> list[tuple[str, str]]:
    """Return a form's fields in the order they came, repeated ones as well.

    MalformedBody if it is not UTF-8, has more than 1,000 fields, or more than 1,000 stray percent signs. Bodies
    are parsed before their signature is checked, so memory stays within a few times the body's size.
    """
    if not body.isascii():
        raise MalformedBody("the form holds bytes that are not ASCII: a sender must escape them")
    if body.count(b"&") >= MAX_FIELDS:
        raise MalformedBody(f"the form has more than {MAX_FIELDS} fields", limit=MAX_FIELDS)
    pairs = (pair.partition(b"=") for pair in body.split(b"&") if pair)
    return [(_unescaped(name), _unescaped(value)) for name, _, value in pairs]


def _unescaped(text: bytes) -> str:
    text = text.replace(b"+", b" ")
    if b"%" in text:
        text = _STRAY.sub(b"%25", text, count=MAX_STRAY)
        if _STRAY.search(text):
            raise MalformedBody(f"the form has more than {MAX_STRAY} stray percent signs in one value", limit=MAX_STRAY)
        # Quoted-printable is the same with another sign. Unlike unquote(), its decoder makes no object for each escape.
        text = a2b_qp(text.replace(b"=", b"%3D").replace(b"%", b"="))
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise MalformedBody("the form is not UTF-8 after its escapes are decoded") from None


def read_form(body: bytes) -> dict[str, str]:
    """Return a form's fields; MalformedBody if it cannot be read (see ``form_pairs``) or repeats a field."""
    pairs = form_pairs(body)
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedBody("the form repeats a field")
    return fields


def read_xml(body: bytes, *, most: int | None = None) -> Element:
    """Return the root of an XML document.

    Raises MalformedBody for a document with errors, with more than 64 levels, or not in UTF-8. The same holds for a declared
    encoding that would decode it differently.
    A document type is rejected as soon as it begins, so that no entity is ever defined or fetched. Comments and processing
    instructions are left out. ``most`` bounds the elements and attributes, and so the memory that parsing takes.
    """
    if not _is_utf8(body) or b"\0" in body:
        raise MalformedBody("the XML is not UTF-8")
    if most is not None and len(body) > most and body.count(b"<") + body.count(b"=") > most:
        raise MalformedBody(f"the XML has more than {most} elements, the limit before a signature is checked", limit=most)
    builder = TreeBuilder()
    depth = 0

    def declare(_version: str, encoding: str | None, _standalone: int) -> None:
        # Another parser would follow the declaration, and must read the same text.
        if encoding is not None and encoding.lower() != "utf-8" and not (body.isascii() and _LIKE_ASCII.fullmatch(encoding)):
            raise MalformedBody("the XML declares another encoding than UTF-8")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise MalformedBody(f"the XML is nested more than {MAX_DEPTH} levels deep", limit=MAX_DEPTH)
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def reject(*_: Any) -> None:
        raise MalformedBody("the XML has a document type, which no provider needs")

    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.XmlDeclHandler = declare
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = reject
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        # The error's own text names the position and the problem, and quotes nothing.
        raise MalformedBody(f"the body is not valid XML ({error})") from None
    return builder.close()


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
