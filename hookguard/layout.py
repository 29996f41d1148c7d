"""The template by which a signature header is read and written: ``t={timestamp},v1={hex}``.

One template serves both directions, so what ``sign`` writes is what ``verify`` reads. A placeholder stands for a value:

``{hex}`` ``{HEX}`` ``{base64}`` ``{base64url}`` ``{base64url-nopad}``
    the signature, in that encoding
``{timestamp}``
    the timestamp, as text
``{key}``
    an id of the key, which is not looked at: every key is tried. Signing writes the secret's name there

With a timestamp the template is a list of ``key=value`` items: the character before the second key separates them,
their order is free, unknown keys are skipped and the signature may be repeated (a sender that rotates its secret sends
one for each). Without keys (``{timestamp},{hex}``) the timestamp comes first and every further item is a signature. Without
a timestamp the header is one item, unless ``separator`` makes it a list of them.

The signature is never decoded: ours is encoded and the texts are compared, so that every other spelling (stray bits or
white space, upper case, a cut value) is simply another signature. A sender that puts a space behind its commas has it in the
template and the separator.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from typing import Union

from hookguard.errors import ConfigurationError, MalformedHeader, MalformedSignature, MalformedTimestamp, MissingTimestamp

__all__ = ["ENCODINGS", "Layout", "Read"]

#: Signatures tried at most for one delivery: each costs a comparison, and no provider sends more while rotating.
MAX_CANDIDATES = 16
#: Items of a header that are looked at, signatures and all else: 8 KiB may hold thousands, and somebody has to go over them.
MAX_ITEMS = 64


#: What a header said: the items that may be a signature, prefix and all, and the timestamp's text if it is there.
Read = tuple[Sequence[str], Union[str, None]]


#: Encoding name to the function that writes a digest in it and the alphabet it uses.
ENCODINGS: dict[str, tuple[Callable[[bytes], str], re.Pattern[str]]] = {
    "hex": (bytes.hex, re.compile(r"[0-9a-f]+")),
    "HEX": (lambda digest: digest.hex().upper(), re.compile(r"[0-9A-F]+")),
    "base64": (lambda digest: base64.b64encode(digest).decode(), re.compile(r"[A-Za-z0-9+/]+={0,2}")),
    "base64url": (lambda digest: base64.urlsafe_b64encode(digest).decode(), re.compile(r"[A-Za-z0-9_-]+={0,2}")),
    "base64url-nopad": (lambda digest: base64.urlsafe_b64encode(digest).decode().rstrip("="), re.compile(r"[A-Za-z0-9_-]+")),
}

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def _need_texts(template: object, separator: object) -> None:
    if not isinstance(template, str):
        raise ConfigurationError(f"layout is {template!r}: give the text of the header's value, for example '{{hex}}'")
    if not isinstance(separator, (str, type(None))) or separator == "":
        raise ConfigurationError(f"separator is {separator!r}: give the text between two signatures, or leave it out")


class Layout:
    """A compiled template. ConfigurationError when it has no signature, or a placeholder that does not exist.

    ``optional_prefix`` reads a signature without what stands before it in the template, ``ignore_case`` hex in either case:
    only for senders that are known to write both.
    """

    __slots__ = (
        "_between",
        "_ignore_case",
        "_keyed",
        "_optional_prefix",
        "_positional",
        "_signature_first",
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
        unknown = [name for name in names if name not in ENCODINGS and name not in ("timestamp", "key")]
        if unknown:
            raise ConfigurationError(
                f"layout {template!r}: no placeholder is called {{{unknown[0]}}};"
                f" there are {{timestamp}}, {{key}}, {', '.join(f'{{{name}}}' for name in ENCODINGS)}"
            )
        encodings = [name for name in names if name in ENCODINGS]
        if len(encodings) != 1 or len(names) != len(set(names)):
            raise ConfigurationError(
                f"layout {template!r} must hold one signature placeholder, and each placeholder once: for example {{hex}}"
            )
        if literals[-1]:
            raise ConfigurationError(f"layout {template!r}: nothing may follow the last placeholder")
        self.template = template
        self.encoding = encodings[0]
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
        prefixes = dict(zip(names, literals, strict=False))
        self._positional = names == ["timestamp", self.encoding] and not literals[0] and len(literals[1]) == 1
        if len(names) == 1:
            self._timestamp_key = None
        elif self._positional:
            separator = literals[1]
            prefixes[self.encoding] = ""
            self._timestamp_key = ""
        else:
            if separator is None:
                separator = literals[1][:1]
            first, second = names
            prefixes[second] = literals[1].removeprefix(separator)
            if not separator or not prefixes[first] or not prefixes[second] or not literals[1].startswith(separator):
                raise ConfigurationError(
                    f"layout {template!r}: write items with a key each and a separator between, as t={{timestamp}},v1={{hex}}"
                )
            self._timestamp_key = prefixes["timestamp"]
        self.separator = separator
        self.has_timestamp = len(names) > 1  #: whether the header carries the timestamp
        self._signature_first = names[0] == self.encoding
        self.prefix = prefixes[self.encoding]
        self._optional_prefix = optional_prefix
        self._ignore_case = ignore_case
        loose = optional_prefix or ignore_case or self._keyed
        #: Whether the header is one item that is compared as it came, from end to end: nothing needs to be taken apart.
        self.compared_whole = separator is None and not loose
        #: What separates such items, where the header is a list of them and of nothing else.
        self._between = separator if len(names) == 1 and not loose else None
        # Nearly every header with a timestamp is just the template filled in once: one match reads it. Any other is taken
        # apart below.
        fields = {name: rf"({re.escape(prefixes[name])}[A-Za-z0-9+/=_-]+)" for name in encodings}
        fields["timestamp"] = rf"{re.escape(prefixes.get('timestamp', ''))}([0-9]+)"
        usual = re.escape(separator or "").join(fields[name] for name in names)
        self._usual = re.compile(usual if len(names) > 1 and not loose else "(?!)", re.ASCII)

    def read(self, value: str) -> Read:
        """Read a header's value. The items keep their prefix, because they are compared whole.

        Raises MalformedSignature when no item is a signature, MissingTimestamp or MalformedTimestamp when the timestamp
        is not there exactly once, MalformedHeader when it lists more than 16 signatures or 64 items.
        """
        if self._between is not None:
            # A list of one is the usual case, and compared from end to end like a header that is no list.
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
            raise MalformedHeader(f"the signature header lists more than {MAX_ITEMS} items")
        timestamp: str | None = None
        timestamp_key = self._timestamp_key
        if self._positional:
            timestamp, *items = items
            timestamp_key = None
        signatures: list[str] = []
        for item in items:
            if timestamp_key is not None and item.startswith(timestamp_key) and not item.startswith(self.prefix):
                if timestamp is not None:
                    raise MalformedTimestamp("the signature header carries more than one timestamp")
                timestamp = item[len(timestamp_key) :]
            elif (signature := self._item(item)) is not None:
                signatures.append(signature)
        if not signatures:
            raise MalformedSignature(f"no item of the signature header reads as {self.template!r}")
        if len(signatures) > MAX_CANDIDATES:
            raise MalformedHeader(f"the signature header lists {len(signatures)} signatures; {MAX_CANDIDATES} are tried at most")
        if timestamp is None and timestamp_key is not None:
            raise MissingTimestamp("the signature header carries no timestamp")
        return signatures, timestamp

    def _item(self, item: str) -> str | None:
        """The item as it is compared: prefix and signature; None when it is none."""
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

    def write(self, signatures: Sequence[str], timestamp: str | None = None, keys: Sequence[str] = ()) -> str:
        """Write a header's value with one or more items (prefix and signature); ``read`` gives them back.

        ``keys`` are the ids of the keys that made them, for a template that says which.
        """
        separator = self.separator if self.separator is not None else ","
        if self._keyed:
            signatures = [key.lstrip("#") + signature for key, signature in zip(keys, signatures, strict=True)]
        if self._timestamp_key is None:
            return separator.join(signatures)
        stamped = f"{self._timestamp_key}{timestamp}"
        return separator.join([*signatures, stamped] if self._signature_first else [stamped, *signatures])

    def decode(self, item: str) -> bytes | None:
        """Return the bytes an item writes, for signatures that are no texts to compare; None unless it is the one spelling."""
        signature = item.removeprefix(self.prefix)
        if not item.startswith(self.prefix) or not ENCODINGS[self.encoding][1].fullmatch(signature):
            return None
        try:
            if self.encoding in ("hex", "HEX"):
                raw = bytes.fromhex(signature)
            else:
                padded = signature + "=" * (-len(signature) % 4 if self.encoding == "base64url-nopad" else 0)
                raw = base64.b64decode(padded, altchars=None if self.encoding == "base64" else b"-_", validate=True)
        except (ValueError, binascii.Error):
            return None
        # base64 decoders ignore stray bits in the last character.
        return raw if self.encode(raw) == signature else None

    def plausible(self, item: str, size: int) -> bool:
        """Whether an item could be a digest of ``size`` bytes in this layout: for the operator's log."""
        signature = item.removeprefix(self.prefix)
        return (
            item.startswith(self.prefix)
            and len(signature) == len(self.encode(bytes(size)))
            and ENCODINGS[self.encoding][1].fullmatch(signature) is not None
        )

    def __repr__(self) -> str:
        return f"Layout({self.template!r})"
