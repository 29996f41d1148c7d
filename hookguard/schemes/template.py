"""Signatures over a template, in a header: the common part of keyed hashes, plain hashes and public keys.

A template such as ``{timestamp}.{body}`` describes the signed bytes. The body is never copied, joined or decoded: the text
before it, the body and the text behind it are passed on as three parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Union

from hookguard.bodies import Reading
from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedHeader, MalformedSignature, MissingSignature, MissingTimestamp
from hookguard.headers import Headers
from hookguard.place import InBody, InHeader, need_place
from hookguard.schemes.base import Draft, Key, Scheme
from hookguard.schemes.borders import check_url_and_body, fixed_width, need_borders, touching
from hookguard.schemes.layout import MAX_CANDIDATES, Layout, ParsedHeader
from hookguard.schemes.timestamp import READERS, TimestampUnit, need_unit, write_timestamp

__all__ = ["SignatureHeader", "TemplateScheme"]

#: The place of a timestamp outside the signature header: its own header, or the JSON body.
StampPlace = Union[InHeader, InBody]
#: The signed bytes before the body, the body, and the signed bytes behind it; each may be empty.
Parts = tuple[bytes, bytes, bytes]


class SignatureHeader:
    """A header that carries signatures, and the layout of its value (see :mod:`hookguard.schemes.layout`).

    ``separator`` makes the value a list. ``repeated`` joins the header's lines to one list. ``optional_prefix`` and
    ``ignore_case`` are for senders that are known to write both forms.
    """

    __slots__ = ("layout", "lower", "name", "repeated")

    def __init__(
        self,
        name: str,
        layout: str,
        *,
        separator: str | None = None,
        repeated: bool = False,
        optional_prefix: bool = False,
        ignore_case: bool = False,
    ) -> None:
        if repeated and separator is None:
            # Servers and proxies join repeated lines with a comma.
            separator = ","
        self.name = InHeader(name).name  # InHeader rejects a name that is not valid
        self.lower = name.lower()
        self.repeated = repeated
        self.layout = Layout(layout, separator=separator, optional_prefix=optional_prefix, ignore_case=ignore_case)

    def value(self, headers: Headers) -> str | None:
        """Return the header's value, or None if it is missing. With ``repeated``, its lines are joined."""
        if not self.repeated:
            return headers.whole(self.lower)
        lines = headers.all(self.lower)
        if len(lines) > MAX_CANDIDATES or sum(map(len, lines)) > MAX_REPEATED:
            raise MalformedHeader(
                f"header {self.lower!r} came in {len(lines)} lines; at most {MAX_CANDIDATES} are read",
                header=self.lower,
                size=len(lines),
                limit=MAX_CANDIDATES,
            )
        # A proxy that joined lines may have put a space behind the comma.
        separator = self.layout.separator or ","
        return separator.join(item.strip(" ") for line in lines for item in line.split(separator)) or None

    def __repr__(self) -> str:
        return f"SignatureHeader({self.name!r}, {self.layout.template!r})"


#: The most characters in all lines of a repeated header.
MAX_REPEATED = 8192

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_FIELDS = ("body", "timestamp", "id", "url", "method")
_HEADER = "header:"


class TemplateScheme(Scheme):
    """A signature over ``signed``, in the ``signature`` header. Subclasses such as :class:`HmacScheme` make the signature.

    ``signed`` is a template of ``{body}``, ``{timestamp}``, ``{id}``, ``{url}``, ``{method}``, ``{header:Name}`` and literal
    text. ``signature`` may be several headers, for a provider that sends a second one while it rotates secrets. A match in any
    of them counts. The first header is required, unless ``any_header`` accepts any of them (for a provider that renamed its
    header). ``timestamp`` and ``id`` name the place of a value that the signature header does not carry. A timestamp ``InBody``
    is read from the JSON body after the signature was checked. Raises ConfigurationError if the arguments do not fit together.
    """

    __slots__ = (
        "_around",
        "_body_alone",
        "_carried",
        "_encode",
        "_first",
        "_head",
        "_id_header",
        "_layout",
        "_moment",
        "_prefix",
        "_signature_names",
        "_signed_headers",
        "_signs_body",
        "_signs_secret",
        "_signs_stamp",
        "_signs_target",
        "_stamp_in_body",
        "_tail",
        "_timestamp_header",
        "_url_meets_body",
        "any_header",
        "covers",
        "id",
        "required_header",
        "signature",
        "signed",
        "signs_timestamp",
        "timestamp",
        "timestamp_unit",
    )

    #: Further placeholders of a subclass.
    _more_fields: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        signature: SignatureHeader | Sequence[SignatureHeader],
        signed: str = "{body}",
        timestamp: StampPlace | None = None,
        timestamp_unit: TimestampUnit = "s",
        id: InHeader | None = None,  # noqa: A002 - it fills {id}; inside a constructor nothing is shadowed for long
        any_header: bool = False,
    ) -> None:
        self.signature = _signature_headers(signature)
        _need_kinds(signed, timestamp, timestamp_unit, id)
        literals, names = _PLACEHOLDER.split(signed)[::2], _PLACEHOLDER.split(signed)[1::2]
        self._check(signed, names, timestamp, id)
        need_borders(signed, literals, names)
        stamp_header = timestamp.header if timestamp is not None else None
        self.signed = signed
        self.timestamp = timestamp
        self.timestamp_unit: TimestampUnit = timestamp_unit
        self.id = id
        self.any_header = any_header
        self.signs_timestamp = "timestamp" in names or timestamp is not None
        self.required_header = None if any_header else self.signature[0].lower
        self._first = self.signature[0].lower
        # Not made in the property, which each event reads: 1 us.
        self._signature_names = frozenset(header.lower for header in self.signature)
        self._signs_stamp = "timestamp" in names
        self._stamp_in_body = timestamp if isinstance(timestamp, InBody) else None
        self._timestamp_header = stamp_header.lower() if stamp_header else ""
        self._id_header = id.name.lower() if id else ""
        # Each with the text that ends it: a sender who chooses the value could put that text in and move the border.
        self._signed_headers = tuple(
            (name, self._id_header if name == "id" else name[len(_HEADER) :].lower(), literals[position + 1])
            for position, name in enumerate(names)
            if name == "id" or name.startswith(_HEADER)
        )
        covered = {name for name in names if name in ("body", "url", "method")}
        covered.update(header for _, header, _ in self._signed_headers)
        if self._timestamp_header:
            covered.add(self._timestamp_header)
        self.covers = frozenset(covered)
        self._layout: Layout = self.signature[0].layout
        self._prefix = self._layout.prefix
        self._encode = self._layout.encode
        # The template in two halves around the body, ready for %.
        head, found, tail = signed.replace("%", "%%").partition("{body}")
        self._head = _PLACEHOLDER.sub(r"%(\1)s", head)
        self._tail = _PLACEHOLDER.sub(r"%(\1)s", tail)
        self._signs_body = bool(found)
        self._signs_target = "url" in names or "method" in names
        self._signs_secret = "secret" in names
        self._body_alone = signed == "{body}"
        #: The text around the id and the timestamp, for the usual ``{timestamp}.{body}`` and ``{id}.{timestamp}.{body}``.
        self._around: tuple[str, str, str] | None = None
        if names == ["timestamp", "body"] and not tail:
            self._around = "", literals[0], literals[1]
        elif names == ["id", "timestamp", "body"] and not tail:
            self._around = literals[0], literals[1], literals[2]
        pairs = touching(literals, names)
        self._url_meets_body = ("url", "body") in pairs or ("body", "url") in pairs
        self._moment = fixed_width(timestamp_unit) if any("timestamp" in pair for pair in pairs) else READERS[timestamp_unit]
        #: Reads the signatures and the timestamp's text from the headers.
        self._carried: Callable[[Headers], ParsedHeader]
        if len(self.signature) > 1 or any_header or self.signature[0].repeated:
            self._carried = self._in_several
        elif self._layout.compared_whole:
            self._carried = self._in_one_whole
        else:
            self._carried = self._in_one

    @property
    def signature_headers(self) -> frozenset[str]:
        """Every header that may carry a signature."""
        return self._signature_names

    @property
    def where(self) -> str:
        """The headers, or the first and the last if there are many."""
        names = [f"`{header.name}`" for header in self.signature]
        if len(names) > 3:
            return f"{names[0]} to {names[-1]}"
        return (" or " if self.any_header else ", ").join(names)

    @property
    def _template(self) -> str:
        return "`" + self.signed.replace("\n", "\\n") + "`"

    def _check(self, signed: str, names: Sequence[str], timestamp: StampPlace | None, id_header: InHeader | None) -> None:
        known = (*_FIELDS, *self._more_fields)
        for name in names:
            if name not in known and not (name.startswith(_HEADER) and name != _HEADER):
                raise ConfigurationError(
                    f"signed={signed!r}: unknown placeholder {{{name}}}; use"
                    f" {', '.join(f'{{{field}}}' for field in known)} or {{header:Name}}"
                )
        in_layout = [header.layout.has_timestamp for header in self.signature]
        in_header = timestamp is not None and timestamp.header is not None
        in_body = timestamp is not None and not in_header
        stamped, given = any(in_layout) or timestamp is not None, f"signed={signed!r}"
        unsigned = "body" not in names if in_body else stamped and "timestamp" not in names
        source = "Put {timestamp} into the signature header's layout, or give timestamp=InHeader(…)"
        for wrong, why in (
            (len(set(names)) != len(names), f"{given}: a placeholder is repeated; use each one once"),
            (
                "timestamp" in names and not all(in_layout) and not in_header,
                f"{given}: where does {{timestamp}} come from? {source}",
            ),
            (
                any(in_layout) and timestamp is not None,
                "the timestamp is in the signature header's layout: remove timestamp=",
            ),
            (unsigned, f"{given}: a timestamp that is not signed proves nothing: sign it, or remove it"),
            (("id" in names) != (id_header is not None), f"{given}: {{id}} and id=InHeader(…) go together"),
        ):
            if wrong:
                raise ConfigurationError(why)

    def _in_one(self, headers: Headers) -> ParsedHeader:
        """Read a header that its layout parses."""
        value = headers.whole(self._first)
        if not value:
            raise MissingSignature(f"no {self.signature[0].name} header", header=self.signature[0].name)
        signatures, stamp = self._layout.parse_header(value)
        return signatures, self._stamp(headers) if self._timestamp_header else stamp

    def _in_one_whole(self, headers: Headers) -> ParsedHeader:
        """Read a header that is one item, which is compared whole."""
        value = headers.whole(self._first)
        if not value:
            raise MissingSignature(f"no {self.signature[0].name} header", header=self.signature[0].name)
        if not value.isascii():
            raise MalformedSignature("the signature header holds characters that are not ASCII")
        return (value,), self._stamp(headers) if self._timestamp_header else None

    def _in_several(self, headers: Headers) -> ParsedHeader:
        """Read several signature headers, or one header with several lines."""
        signatures: list[str] = []
        stamp: str | None = None
        for header in self.signature:
            value = header.value(headers)
            if value:
                found, own = header.layout.parse_header(value)
                if own is not None and stamp is not None and own != stamp:
                    raise MalformedSignature("two signature headers carry different timestamps")
                signatures += found
                stamp = own if stamp is None else stamp
            elif header.lower == self.required_header:
                raise MissingSignature(f"no {header.name} header", header=header.name)
        if not signatures:
            raise MissingSignature(f"none of the headers {', '.join(header.name for header in self.signature)}")
        if len(signatures) > MAX_CANDIDATES:
            raise MalformedHeader(
                f"the headers carry {len(signatures)} signatures; at most {MAX_CANDIDATES} are tried",
                size=len(signatures),
                limit=MAX_CANDIDATES,
            )
        return signatures, self._stamp(headers) if self._timestamp_header else stamp

    def _stamp(self, headers: Headers) -> str:
        """Return the text of the timestamp in its own header."""
        stamp = headers.whole(self._timestamp_header)
        if not stamp:
            raise MissingTimestamp(f"no {self._timestamp_header} header", header=self._timestamp_header)
        return stamp

    def _stamp_from_body(self, delivery: Delivery) -> float | None:
        """Return the timestamp in a body whose signature matched."""
        place = self._stamp_in_body
        if place is None:
            return None
        text = place.find(Reading(delivery))
        if text is None:
            raise MissingTimestamp(f"the signed body carries no {place.path!r}")
        return self._moment(text)

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign with every key. The signatures go into one header if its layout is a list, else into one header each.

        A signed header that the draft lacks gets the draft's id. The caller writes a timestamp in the body.
        """
        headers = dict(draft.headers)
        stamp = write_timestamp(draft.timestamp, self.timestamp_unit) if self._signs_stamp else None
        if stamp is not None and self.timestamp is not None and self.timestamp.header:
            headers[self.timestamp.header] = stamp
        if self.id is not None:
            headers[self.id.name] = draft.id
        given = {name.lower() for name in headers}
        for name, header, _ in self._signed_headers:
            if header not in given:
                headers[name.removeprefix(_HEADER)] = draft.id
        delivery = Delivery(draft.body, headers, draft.method, draft.url)
        signatures = [
            self._prefix + self._encode(self._make(key.prepared, self._parts(delivery, stamp, key.prepared))) for key in keys
        ]
        first = self.signature[0]
        names = [key.name for key in keys]
        if first.layout.separator is not None:
            headers[first.name] = first.layout.write_header(signatures, stamp, names)
        else:
            if len(signatures) > (1 if self.any_header else len(self.signature)):
                raise ConfigurationError(f"{first.name} carries one signature: sign with one secret")
            for header, signature, name in zip(self.signature, signatures, names, strict=False):
                headers[header.name] = header.layout.write_header([signature], stamp, [name])
        return Delivery(draft.body, headers, draft.method, draft.url)

    def _make(self, prepared: Any, parts: Parts) -> bytes:
        """Return the signature of the joined parts."""
        raise NotImplementedError

    def _parts(self, delivery: Delivery, stamp: str | None, prepared: Any = None) -> Parts:
        """Return the signed bytes: the part before the body, the body, and the part behind it."""
        if self._around is not None:
            start, between, end = self._around
            own = _signed_header(delivery.headers, self._id_header, between) if self._id_header else ""
            return (f"{start}{own}{between}{stamp}{end}".encode(), delivery.body, b"")
        values = {"timestamp": stamp}
        for name, header, border in self._signed_headers:
            values[name] = _signed_header(delivery.headers, header, border)
        if self._url_meets_body:
            check_url_and_body(delivery.url, delivery.body)
        if self._signs_target:
            values["url"], values["method"] = delivery.url, delivery.method
        if self._signs_secret:
            values["secret"] = prepared.text
        # A URL may hold any bytes. Bytes that are not text must make a different signature, not an error.
        head = (self._head % values).encode("utf-8", "surrogatepass")
        tail = (self._tail % values).encode("utf-8", "surrogatepass") if self._tail else b""
        return (head, delivery.body if self._signs_body else b"", tail)


def _need_kinds(signed: object, timestamp: object, unit: object, id_header: object) -> None:
    """Raise ConfigurationError for an argument of a wrong type, before it is used."""
    if not isinstance(signed, str):
        raise ConfigurationError(f"signed is {signed!r}: give the text that is signed, for example '{{timestamp}}.{{body}}'")
    if timestamp is not None:
        need_place(timestamp, "timestamp", InHeader, InBody)
    if id_header is not None:
        need_place(id_header, "id", InHeader)
    need_unit(unit)


def _signature_headers(given: Any) -> tuple[SignatureHeader, ...]:
    """Return the headers as a tuple; ConfigurationError unless they are SignatureHeaders that write a signature the same way."""
    if isinstance(given, SignatureHeader):
        return (given,)
    listed = tuple(given) if isinstance(given, Iterable) and not isinstance(given, (str, bytes)) else (given,)
    for header in listed:
        if not isinstance(header, SignatureHeader):
            shown = repr(header) if isinstance(header, str) else type(header).__name__
            name = shown if isinstance(header, str) else "'X-Signature'"
            raise ConfigurationError(
                f"signature is {shown}: give SignatureHeader({name}, '{{hex}}'), with the layout of the header's value"
            )
    if not listed:
        raise ConfigurationError("signature is empty: give at least one SignatureHeader")
    if len({(header.layout.prefix, header.layout.encoding) for header in listed}) != 1:
        raise ConfigurationError("several signature headers must write a signature the same way")
    return listed


def _signed_header(headers: Headers, name: str, border: str) -> str:
    value = headers.whole(name)
    if not value or not value.isascii() or not value.isprintable():
        raise MalformedSignature(f"the signed header {name!r} is missing, empty or not printable ASCII")
    if border and border in value:
        raise MalformedSignature(f"the signed header {name!r} holds {border!r}, the text that ends it")
    return value
