"""The template by which a signature header is read and written: ``t={timestamp},v1={hex}``.

One template serves both directions, so what ``sign`` writes is what ``verify`` reads. A placeholder stands for a value:

``{hex}`` ``{HEX}`` ``{base64}`` ``{base64url}``
    the signature, in that encoding
``{timestamp}``
    the timestamp, as text

With two placeholders the template is a list of ``key=value`` items: the character before the second key separates them,
their order is free, unknown keys are skipped and the signature may be repeated (a sender that rotates its secret sends
one for each). With one placeholder the header is one item, unless ``separator`` makes it a list of them.

The signature is never decoded: ours is encoded and the texts are compared, so that every other spelling (stray bits or
white space in base64, upper case, a cut value) is simply another signature.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from typing import Union

from hookguard.errors import ConfigurationError, MalformedHeader, MalformedSignature, MalformedTimestamp, MissingTimestamp

__all__ = ["ENCODINGS", "Layout", "Read"]

#: Signatures tried at most for one delivery: each costs a comparison, and no provider sends more while rotating.
MAX_CANDIDATES = 16


#: What a header said: the items that may be a signature, prefix and all, and the timestamp's text if it is there.
Read = tuple[Sequence[str], Union[str, None]]


#: Encoding name to the function that writes a digest in it and the alphabet it uses.
ENCODINGS: dict[str, tuple[Callable[[bytes], str], re.Pattern[str]]] = {
    "hex": (bytes.hex, re.compile(r"[0-9a-f]+")),
    "HEX": (lambda digest: digest.hex().upper(), re.compile(r"[0-9A-F]+")),
    "base64": (lambda digest: base64.b64encode(digest).decode(), re.compile(r"[A-Za-z0-9+/]+={0,2}")),
    "base64url": (lambda digest: base64.urlsafe_b64encode(digest).decode(), re.compile(r"[A-Za-z0-9_-]+={0,2}")),
}

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class Layout:
    """A compiled template. ConfigurationError when it has no signature, or a placeholder that does not exist."""

    __slots__ = ("_timestamp_key", "_usual", "encode", "encoding", "has_timestamp", "prefix", "separator", "template")

    def __init__(self, template: str, *, separator: str | None = None) -> None:
        pieces = _PLACEHOLDER.split(template)
        literals, names = pieces[::2], pieces[1::2]
        unknown = [name for name in names if name not in ENCODINGS and name != "timestamp"]
        if unknown:
            raise ConfigurationError(
                f"layout {template!r}: no placeholder is called {{{unknown[0]}}};"
                f" there are {{timestamp}}, {', '.join(f'{{{name}}}' for name in ENCODINGS)}"
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
        prefixes = dict(zip(names, literals, strict=False))
        if len(names) == 1:
            self._timestamp_key = None
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
        # Nearly every header is just the template filled in once: one match reads it. Any other is taken apart below.
        fields = {name: rf"(?P<signature>{re.escape(prefixes[name])}[A-Za-z0-9+/=_-]+)" for name in encodings}
        if len(names) > 1:
            fields["timestamp"] = rf"{re.escape(prefixes['timestamp'])}(?P<timestamp>[0-9]+)"
        self._usual = re.compile(re.escape(separator or "").join(fields[name] for name in names), re.ASCII)
        self.has_timestamp = len(names) > 1  #: whether the header carries the timestamp
        self.prefix = prefixes[self.encoding]

    def read(self, value: str) -> Read:
        """Read a header's value. The items keep their prefix, because they are compared whole.

        Raises MalformedSignature when no item is a signature, MissingTimestamp or MalformedTimestamp when the timestamp
        is not there exactly once, MalformedHeader when it lists more than 16 signatures.
        """
        if usual := self._usual.fullmatch(value):
            return (usual["signature"],), usual["timestamp"] if self.has_timestamp else None
        if not value.isascii():
            raise MalformedSignature("the signature header holds characters that are not ASCII")
        if not value.isprintable():
            raise MalformedHeader("the signature header holds a control character")
        if self.separator is None:
            return (value,), None
        prefix = self.prefix
        timestamp_key = self._timestamp_key
        timestamp: str | None = None
        signatures: list[str] = []
        items = value.split(self.separator)
        if self.separator != " " and " " in value:
            items = [item.strip(" ") for item in items]
        for item in items:
            if item.startswith(prefix):
                signatures.append(item)
            elif timestamp_key is not None and item.startswith(timestamp_key):
                if timestamp is not None:
                    raise MalformedTimestamp("the signature header carries more than one timestamp")
                timestamp = item[len(timestamp_key) :]
        if not signatures:
            raise MalformedSignature(f"no item of the signature header reads as {self.template!r}")
        if len(signatures) > MAX_CANDIDATES:
            raise MalformedHeader(f"the signature header lists {len(signatures)} signatures; {MAX_CANDIDATES} are tried at most")
        if timestamp is None and timestamp_key is not None:
            raise MissingTimestamp("the signature header carries no timestamp")
        return signatures, timestamp

    def write(self, signatures: Sequence[str], timestamp: str | None = None) -> str:
        """Write a header's value with one or more items (prefix and signature); ``read`` gives them back."""
        separator = self.separator if self.separator is not None else ","
        if self._timestamp_key is None:
            return separator.join(signatures)
        stamped = f"{self._timestamp_key}{timestamp}"
        ordered = [*signatures, stamped] if self.template.startswith(self.prefix + "{") else [stamped, *signatures]
        return separator.join(ordered)

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
