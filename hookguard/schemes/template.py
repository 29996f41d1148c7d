"""Signatures over a template, in a header: what keyed hashes, plain hashes and public keys have in common.

The bytes that are signed come from a template such as ``{timestamp}.{body}``. The body is never copied, joined or
decoded: what stands before it, the body itself and what stands behind it are handed on one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Union

from hookguard.delivery import Delivery
from hookguard.documents import Reading
from hookguard.errors import (
    ConfigurationError,
    MalformedHeader,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
)
from hookguard.headers import Headers
from hookguard.layout import MAX_CANDIDATES, Layout, Read
from hookguard.place import InBody, InHeader, need_place
from hookguard.schemes.base import Draft, Key, Scheme
from hookguard.timestamp import READERS, TimestampUnit, need_unit, write_timestamp

__all__ = ["SignatureHeader", "TemplateScheme"]

#: Where a timestamp may be that is not in the signature header: a header of its own, or the JSON body.
StampPlace = Union[InHeader, InBody]
#: The signed bytes before the body, the body, and the signed bytes behind it; each may be empty.
Parts = tuple[bytes, bytes, bytes]


class SignatureHeader:
    """A header that carries signatures, and the layout of its value (see :mod:`hookguard.layout`).

    ``separator`` makes the value a list. ``repeated`` takes the header from several lines, as one list. ``optional_prefix``
    and ``ignore_case`` are for senders that are known to write both ways.
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
        self.name = InHeader(name).name  # which refuses what is none
        self.lower = name.lower()
        self.repeated = repeated
        self.layout = Layout(layout, separator=separator, optional_prefix=optional_prefix, ignore_case=ignore_case)

    def value(self, headers: Headers) -> str | None:
        """Return the header's value, its lines joined where there may be several; None when it is not there."""
        if not self.repeated:
            return headers.whole(self.lower)
        lines = headers.all(self.lower)
        if len(lines) > MAX_CANDIDATES or sum(map(len, lines)) > MAX_REPEATED:
            raise MalformedHeader(f"header {self.lower!r} came in {len(lines)} lines; {MAX_CANDIDATES} are read at most")
        # Whoever joined lines on the way may have put a space behind the comma.
        separator = self.layout.separator or ","
        return separator.join(item.strip(" ") for line in lines for item in line.split(separator)) or None

    def __repr__(self) -> str:
        return f"SignatureHeader({self.name!r}, {self.layout.template!r})"


#: Characters of a repeated header, all lines together.
MAX_REPEATED = 8192

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_FIELDS = ("body", "timestamp", "id", "url", "method")
_HEADER = "header:"


class TemplateScheme(Scheme):
    """A signature over ``signed``, in the ``signature`` header. :class:`HmacScheme` and its neighbours say how it is made.

    ``signed`` is a template of ``{body}``, ``{timestamp}``, ``{id}``, ``{url}``, ``{method}``, ``{header:Name}`` and literal
    text. ``signature`` may be several headers (a provider that rotates may send a second one): a match in any of them counts,
    and the first is the one that must be there, unless ``any_header`` says that any of them will do (a provider that renamed
    it). ``timestamp`` and ``id`` name the place that carries the value, where the signature header does not; a timestamp
    ``InBody`` is read from the JSON body after the signature over it was checked. ConfigurationError when the parts do not
    fit together.
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
        "_signed_headers",
        "_signs_body",
        "_signs_secret",
        "_signs_stamp",
        "_signs_target",
        "_stamp_in_body",
        "_tail",
        "_timestamp_header",
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

    #: Placeholders a family has besides the usual ones.
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
        in_body = isinstance(timestamp, InBody)
        self.signed = signed
        self.timestamp = timestamp
        self.timestamp_unit: TimestampUnit = timestamp_unit
        self.id = id
        self.any_header = any_header
        self.signs_timestamp = "timestamp" in names or in_body
        self.required_header = None if any_header else self.signature[0].lower
        self._first = self.signature[0].lower
        self._signs_stamp = "timestamp" in names
        self._stamp_in_body = timestamp if isinstance(timestamp, InBody) else None
        self._timestamp_header = timestamp.name.lower() if isinstance(timestamp, InHeader) else ""
        self._id_header = id.name.lower() if id else ""
        # Each with the text that ends it: a sender who may choose the value could move the border to its neighbour with it.
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
        self._moment = READERS[timestamp_unit]
        #: Reads the signatures and the timestamp's text out of the headers.
        self._carried: Callable[[Headers], Read]
        if len(self.signature) > 1 or any_header or self.signature[0].repeated:
            self._carried = self._in_several
        elif self._layout.compared_whole:
            self._carried = self._in_one_whole
        else:
            self._carried = self._in_one

    @property
    def where(self) -> str:
        """The headers, the first and the last where there are many."""
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
                    f"signed={signed!r}: no placeholder is called {{{name}}}; there are"
                    f" {', '.join(f'{{{field}}}' for field in known)} and {{header:Name}}"
                )
        if len(set(names)) != len(names):
            raise ConfigurationError(f"signed={signed!r}: each placeholder may stand once")
        in_layout = [header.layout.has_timestamp for header in self.signature]
        in_body = isinstance(timestamp, InBody)
        if "timestamp" in names and not all(in_layout) and not isinstance(timestamp, InHeader):
            raise ConfigurationError(
                f"signed={signed!r}: where does {{timestamp}} come from?"
                " Put {timestamp} into the signature header's layout, or give timestamp=InHeader(…)"
            )
        if any(in_layout) and timestamp is not None:
            raise ConfigurationError("the timestamp is in the signature header's layout: leave timestamp= out")
        if ("body" not in names) if in_body else ("timestamp" not in names and (any(in_layout) or timestamp is not None)):
            raise ConfigurationError(f"signed={signed!r}: a timestamp that is not signed proves nothing, so leave it out")
        if ("id" in names) != (id_header is not None):
            raise ConfigurationError(f"signed={signed!r}: {{id}} and id=InHeader(…) go together")

    def _in_one(self, headers: Headers) -> Read:
        """Read a header that its layout takes apart."""
        value = headers.whole(self._first)
        if not value:
            raise MissingSignature(f"no {self.signature[0].name} header")
        signatures, stamp = self._layout.read(value)
        return signatures, self._stamp(headers) if self._timestamp_header else stamp

    def _in_one_whole(self, headers: Headers) -> Read:
        """Read a header that is one item, compared as it came."""
        value = headers.whole(self._first)
        if not value:
            raise MissingSignature(f"no {self.signature[0].name} header")
        if not value.isascii():
            raise MalformedSignature("the signature header holds characters that are not ASCII")
        return (value,), self._stamp(headers) if self._timestamp_header else None

    def _in_several(self, headers: Headers) -> Read:
        """Read several signature headers, or one of several lines."""
        signatures: list[str] = []
        stamp: str | None = None
        for header in self.signature:
            value = header.value(headers)
            if value:
                found, own = header.layout.read(value)
                if own is not None and stamp is not None and own != stamp:
                    raise MalformedSignature("two signature headers carry different timestamps")
                signatures += found
                stamp = own if stamp is None else stamp
            elif header.lower == self.required_header:
                raise MissingSignature(f"no {header.name} header")
        if not signatures:
            raise MissingSignature(f"none of the headers {', '.join(header.name for header in self.signature)}")
        if len(signatures) > MAX_CANDIDATES:
            raise MalformedHeader(f"{len(signatures)} signatures came; {MAX_CANDIDATES} are tried at most")
        return signatures, self._stamp(headers) if self._timestamp_header else stamp

    def _stamp(self, headers: Headers) -> str:
        """The text of the timestamp that has a header of its own."""
        stamp = headers.whole(self._timestamp_header)
        if not stamp:
            raise MissingTimestamp(f"no {self._timestamp_header} header")
        return stamp

    def _stamp_from_body(self, delivery: Delivery) -> float | None:
        """The timestamp in a body whose signature matched."""
        place = self._stamp_in_body
        if place is None:
            return None
        text = place.find(Reading(delivery))
        if text is None:
            raise MissingTimestamp(f"the signed body carries no {place.path!r}")
        return self._moment(text)

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign with every key: several signatures in the header where its layout lists them, else one header for each.

        A signed header that was not given gets the draft's id. A timestamp in the body is the caller's to write.
        """
        headers = dict(draft.headers)
        stamp = write_timestamp(draft.timestamp, self.timestamp_unit) if self._signs_stamp else None
        if isinstance(self.timestamp, InHeader) and stamp is not None:
            headers[self.timestamp.name] = stamp
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
            headers[first.name] = first.layout.write(signatures, stamp, names)
        else:
            if len(signatures) > (1 if self.any_header else len(self.signature)):
                raise ConfigurationError(f"{first.name} carries one signature: sign with one secret")
            for header, signature, name in zip(self.signature, signatures, names, strict=False):
                headers[header.name] = header.layout.write([signature], stamp, [name])
        return Delivery(draft.body, headers, draft.method, draft.url)

    def _make(self, prepared: Any, parts: Parts) -> bytes:
        """The signature of the parts, one after the other."""
        raise NotImplementedError

    def _parts(self, delivery: Delivery, stamp: str | None, prepared: Any = None) -> Parts:
        """The signed bytes: what is before the body in one piece, the body itself, and what is behind it in one piece."""
        if self._around is not None:
            start, between, end = self._around
            own = _signed_header(delivery.headers, self._id_header, between) if self._id_header else ""
            return (f"{start}{own}{between}{stamp}{end}".encode(), delivery.body, b"")
        values = {"timestamp": stamp}
        for name, header, border in self._signed_headers:
            values[name] = _signed_header(delivery.headers, header, border)
        if self._signs_target:
            values["url"], values["method"] = delivery.url, delivery.method
        if self._signs_secret:
            values["secret"] = prepared.text
        # A URL may hold anything; what is no text must make another signature, not an error.
        head = (self._head % values).encode("utf-8", "surrogatepass")
        tail = (self._tail % values).encode("utf-8", "surrogatepass") if self._tail else b""
        return (head, delivery.body if self._signs_body else b"", tail)


def _need_kinds(signed: object, timestamp: object, unit: object, id_header: object) -> None:
    """Raise ConfigurationError for an argument of another kind, before it is used."""
    if not isinstance(signed, str):
        raise ConfigurationError(f"signed is {signed!r}: give the text that is signed, for example '{{timestamp}}.{{body}}'")
    if timestamp is not None:
        need_place(timestamp, "timestamp", InHeader, InBody)
    if id_header is not None:
        need_place(id_header, "id", InHeader)
    need_unit(unit)


def _signature_headers(given: Any) -> tuple[SignatureHeader, ...]:
    """The headers, one at least, all of them SignatureHeaders that write a signature the same way."""
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
        raise MalformedSignature(f"the signed header {name!r} holds {border!r}, which ends it")
    return value
