"""The template by which a signature header is read and written: ``t={timestamp},v1={hex}``.

One template serves both directions, so what ``sign`` writes is what ``verify`` reads. A placeholder stands for a value:

``{hex}`` ``{HEX}`` ``{base64}`` ``{base64url}`` ``{base64url-nopad}``
    the signature, in that encoding
``{timestamp}``
    the timestamp, as text
``{key}``
    an id of the key. Reading ignores it and tries every key; signing writes the secret's name

With a timestamp the template is a list of ``key=value`` items. The character before the second key separates them. Their order
is free, unknown keys are skipped, and the signature may be repeated (a sender that rotates its secret sends one for each).
Without keys (``{timestamp},{hex}``) the timestamp comes first and every further item is a signature. Without a timestamp the
header is one item, unless ``separator`` makes it a list.

The signature is never decoded. The expected signature is encoded and the texts are compared, so every other spelling (stray
bits, white space, upper case, a cut value) is a different signature. If a sender puts a space behind its commas, the template
and the separator have it too.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Union

from hookguard.errors import ConfigurationError, MalformedHeader, MalformedSignature, MalformedTimestamp, MissingTimestamp

__all__ = ["ENCODINGS", "Layout", "ParsedHeader", "timestamps_of"]

#: The most signatures tried for one delivery. Each costs a comparison, and no provider sends more during a rotation.
MAX_CANDIDATES = 16
#: The most items read of a header, signatures and others: 8 KiB may hold thousands, and reading them costs time.
MAX_ITEMS = 64


#: The parts of a header: the items that may be a signature, with their prefix, and the timestamp's text or None.
ParsedHeader = tuple[Sequence[str], Union[str, None]]


#: For each encoding: the function that encodes a digest, and the pattern of its text.
ENCODINGS: dict[str, tuple[Callable[[bytes], str], re.Pattern[str]]] = {
    "hex": (bytes.hex, re.compile(r"[0-9a-f]+")),
    "HEX": (lambda digest: digest.hex().upper(), re.compile(r"[0-9A-F]+")),
    "base64": (lambda digest: binascii.b2a_base64(digest, newline=False).decode(), re.compile(r"[A-Za-z0-9+/]+={0,2}")),
    "base64url": (lambda digest: base64.urlsafe_b64encode(digest).decode(), re.compile(r"[A-Za-z0-9_-]+={0,2}")),
    "base64url-nopad": (lambda digest: base64.urlsafe_b64encode(digest).decode().rstrip("="), re.compile(r"[A-Za-z0-9_-]+")),
}

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@cache
def _encoded_length(encoding: str, size: int) -> int:
    return len(ENCODINGS[encoding][0](bytes(size)))


def timestamps_of(key: str) -> re.Pattern[str]:
    """Return a pattern that finds each timestamp behind a key, after any separator.

    No honest signature has a digit behind a ``=``.
    """
    return re.compile(rf"(?<![\w-]){re.escape(key)}(?=[0-9])", re.ASCII)


def _need_texts(template: object, separator: object) -> None:
    if not isinstance(template, str):
        raise ConfigurationError(f"layout is {template!r}: give the text of the header's value, for example '{{hex}}'")
    if not isinstance(separator, (str, type(None))) or separator == "":
        raise ConfigurationError(f"separator is {separator!r}: give the text between two signatures, or leave it out")


def _encoding_of(template: str, names: Sequence[str], after: str) -> str:
    """Return the name of the signature's placeholder; ConfigurationError unless the placeholders fit together."""
    unknown = [name for name in names if name not in ENCODINGS and name not in ("timestamp", "key")]
    if unknown:
        raise ConfigurationError(
            f"layout {template!r}: unknown placeholder {{{unknown[0]}}}; use"
            f" {{timestamp}}, {{key}}, {', '.join(f'{{{name}}}' for name in ENCODINGS)}"
        )
    encodings = [name for name in names if name in ENCODINGS]
    if len(encodings) != 1 or len(names) != len(set(names)):
        raise ConfigurationError(
            f"layout {template!r} must hold one signature placeholder, and each placeholder once: for example {{hex}}"
        )
    if after:
        raise ConfigurationError(f"layout {template!r}: nothing may follow the last placeholder")
    return encodings[0]


def _split_items(template: str, first_key: str, between: str, separator: str | None) -> tuple[str, str]:
    """Return the separator of two items and the second item's key, from the text between the two placeholders."""
    if separator is None:
        separator = between[:1]
    second_key = between.removeprefix(separator)
    if not separator or not first_key or not second_key or not between.startswith(separator):
        raise ConfigurationError(
            f"layout {template!r}: write items with a key each and a separator between, as t={{timestamp}},v1={{hex}}"
        )
    return separator, second_key


class Layout:
    """A compiled template. Raises ConfigurationError without a signature, or for an unknown placeholder.

    ``optional_prefix`` accepts a signature without its prefix, and ``ignore_case`` accepts hex in either case. Use them only for
    senders that are known to write both.
    """

    __slots__ = (
        "_between",
        "_ignore_case",
        "_keyed",
        "_optional_prefix",
        "_positional",
        "_signature_first",
        "_stamps",
        "_timestamp_key",
        "_usual",
        "compared_whole",
        "encode",
        "encoding",
        "has_timestamp",
        "prefix",
        "separator",
        "template",
    )

    def __init__(
        self, template: str, *, separator: str | None = None, optional_prefix: bool = False, ignore_case: bool = False
    ) -> None:
        _need_texts(template, separator)
        pieces = _PLACEHOLDER.split(template)
        literals, names = pieces[::2], pieces[1::2]
        self.template = template
        self.encoding = _encoding_of(template, names, literals[-1])
        self.encode = ENCODINGS[self.encoding][0]
        if ignore_case and self.encoding not in ("hex", "HEX"):
            raise ConfigurationError(f"layout {template!r}: ignore_case is for hex; elsewhere case is part of the value")
        self._keyed = "key" in names
        if self._keyed:
            if names != ["key", self.encoding] or literals[0] or not literals[1]:
                raise ConfigurationError(
                    f"layout {template!r}: write {{key}} first, and a text between it and the signature, as {{key}}=v1:{{hex}}"
                )
            literals, names = literals[1:], names[1:]
        self.has_timestamp = len(names) > 1  #: whether the header carries the timestamp
        self._signature_first = names[0] == self.encoding
        self._positional = names == ["timestamp", self.encoding] and not literals[0] and len(literals[1]) == 1
        prefixes = dict(zip(names, literals, strict=False))
        if self._positional:
            separator = literals[1]
            prefixes[self.encoding] = ""
        elif self.has_timestamp:
            separator, prefixes[names[1]] = _split_items(template, literals[0], literals[1], separator)
        self.separator = separator
        self._timestamp_key = prefixes.get("timestamp")
        self.prefix = prefixes[self.encoding]
        self._optional_prefix, self._ignore_case = optional_prefix, ignore_case
        loose = optional_prefix or ignore_case or self._keyed
        #: Whether the header is one item that is compared whole, without parsing.
        self.compared_whole = separator is None and not loose
        #: The separator, if the header is a list of such items only.
        self._between = separator if len(names) == 1 and not loose else None
        # Nearly every header with a timestamp is the template filled in once, which one match reads. The rest is parsed in steps.
        fields = {self.encoding: rf"({re.escape(self.prefix)}[A-Za-z0-9+/=_-]+)"}
        fields["timestamp"] = rf"{re.escape(prefixes.get('timestamp', ''))}([0-9]+)"
        usual = re.escape(separator or "").join(fields[name] for name in names)
        self._stamps = self._every_timestamp()
        self._usual = re.compile(usual if len(names) > 1 and not loose else "(?!)", re.ASCII)

    def _every_timestamp(self) -> re.Pattern[str]:
        """Return a pattern that finds each timestamp of a header, even if repeated lines were joined with another separator.

        Servers join lines with "," or with ", ", whatever the header's own separator is. Proxies may use other text.
        """
        if self._positional:
            return re.compile(r"(?<![^\s,;])[0-9]{1,20}(?![^\s,;])|(?<![\w+/=-])[0-9]{10,20}(?![\w+/=-])", re.ASCII)
        if self._timestamp_key is None:
            return re.compile("(?!)")
        ours = f"(?!{re.escape(self.prefix)})" if self.prefix.startswith(self._timestamp_key) else ""
        between = rf"(?<![^\s,;])|(?<={re.escape(self.separator or ',')})"
        return re.compile(
            rf"(?:{between}){ours}{re.escape(self._timestamp_key)}|{ours}{timestamps_of(self._timestamp_key).pattern}"
        )

    def parse_header(self, value: str) -> ParsedHeader:
        """Parse a header's value. The items keep their prefix, because they are compared whole.

        Raises MalformedSignature if no item is a signature, MissingTimestamp or MalformedTimestamp unless there is exactly one
        timestamp, and MalformedHeader for more than 16 signatures or 64 items.
        """
        if self._between is not None:
            # The usual list has one item, which is compared whole.
            if self._between not in value and value.startswith(self.prefix) and value.isascii() and " " not in value:
                return (value,), None
        elif usual := self._usual.fullmatch(value):
            first, second = usual.groups()
            return ((first,), second) if self._signature_first else ((second,), first)
        if not value.isascii():
            raise MalformedSignature("the signature header holds characters that are not ASCII")
        if not value.isprintable():
            raise MalformedHeader("the signature header holds a control character")
        if self.separator is None:
            return (self._item(value) or value,), None
        items = value.split(self.separator, MAX_ITEMS)
        if len(items) > MAX_ITEMS:
            raise MalformedHeader(f"the signature header lists more than {MAX_ITEMS} items", limit=MAX_ITEMS)
        if len(self._stamps.findall(value)) > 1:
            raise MalformedTimestamp("the signature header carries more than one timestamp")
        timestamp: str | None = None
        timestamp_key = self._timestamp_key
        if self._positional:
            timestamp, *items = items
            timestamp_key = None
        signatures: list[str] = []
        for item in items:
            if timestamp_key is not None and item.startswith(timestamp_key) and not item.startswith(self.prefix):
                timestamp = item[len(timestamp_key) :]
            elif (signature := self._item(item)) is not None:
                signatures.append(signature)
        if not signatures:
            raise MalformedSignature(f"no item of the signature header has the form {self.template!r}")
        if len(signatures) > MAX_CANDIDATES:
            raise MalformedHeader(
                f"the signature header lists {len(signatures)} signatures; at most {MAX_CANDIDATES} are tried",
                size=len(signatures),
                limit=MAX_CANDIDATES,
            )
        if timestamp is None and timestamp_key is not None:
            raise MissingTimestamp("the signature header carries no timestamp")
        return signatures, timestamp

    def _item(self, item: str) -> str | None:
        """Return the item for comparing (prefix and signature), or None if it is not a signature."""
        prefix = self.prefix
        if self._keyed:
            key, found, signature = item.partition(prefix)
            if not key or not found:
                return None
            item = prefix + signature
        elif not item.startswith(prefix):
            if not self._optional_prefix:
                return None
            item = prefix + item
        if self._ignore_case:
            signature = item[len(prefix) :]
            return prefix + (signature.lower() if self.encoding == "hex" else signature.upper())
        return item

    def write_header(self, signatures: Sequence[str], timestamp: str | None = None, keys: Sequence[str] = ()) -> str:
        """Write a header's value with one or more items (prefix and signature). ``parse_header`` is its inverse.

        ``keys`` are the ids of the keys that made them, for a template with ``{key}``.
        """
        separator = self.separator if self.separator is not None else ","
        if self._keyed:
            signatures = [key.lstrip("#") + signature for key, signature in zip(keys, signatures, strict=True)]
        if self._timestamp_key is None:
            return separator.join(signatures)
        stamped = f"{self._timestamp_key}{timestamp}"
        return separator.join([*signatures, stamped] if self._signature_first else [stamped, *signatures])

    def decode(self, item: str) -> bytes | None:
        """Return an item's bytes, for signatures that must be decoded; None unless the item has the canonical spelling."""
        text = item.removeprefix(self.prefix)
        if not item.startswith(self.prefix) or not ENCODINGS[self.encoding][1].fullmatch(text):
            return None
        try:
            if self.encoding in ("hex", "HEX"):
                raw = bytes.fromhex(text)
            else:
                padded = text + "=" * (-len(text) % 4 if self.encoding == "base64url-nopad" else 0)
                raw = base64.b64decode(padded, altchars=None if self.encoding == "base64" else b"-_", validate=True)
        except (ValueError, binascii.Error):
            return None
        # base64 decoders ignore stray bits in the last character.
        return raw if self.encode(raw) == text else None

    def plausible(self, item: str, size: int) -> bool:
        """Whether an item could be a digest of ``size`` bytes in this layout, for the operator's log."""
        length = len(self.prefix) + _encoded_length(self.encoding, size)
        return (
            len(item) == length
            and item.startswith(self.prefix)
            and ENCODINGS[self.encoding][1].fullmatch(item, len(self.prefix)) is not None
        )

    def __repr__(self) -> str:
        return f"Layout({self.template!r})"
