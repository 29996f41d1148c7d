"""The parts of a delivery that may be a signature, a timestamp or an id, found by their shape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from hookguard.headers import Headers
from hookguard.record import Record
from hookguard.schemes.hmac import DIGESTS
from hookguard.schemes.layout import Layout
from hookguard.schemes.timestamp import TimestampUnit

__all__ = ["Carried", "Stamp", "ids_of", "signatures_of", "stamps_of", "unit_of"]

#: The most headers that are read, and the longest value.
MAX_HEADERS, MAX_VALUE = 64, 2048
#: The most signatures, timestamps and ids that are tried.
MAX_SIGNATURES, MAX_STAMPS, MAX_IDS = 16, 3, 6
_SIZES = dict(zip(DIGESTS, (20, 32, 48, 64), strict=True))
_HEX_OF = {2 * size: digest for digest, size in _SIZES.items()}
_BASE64_OF = {len(Layout("{base64}").encode(bytes(size))): digest for digest, size in _SIZES.items()}
_BARE_OF = {len(Layout("{base64url-nopad}").encode(bytes(size))): digest for digest, size in _SIZES.items()}
_TEXT = r"[A-Za-z0-9+/_-]{27,128}={0,2}"
#: Words in front of a signature (``sha256=``, ``v1,``, ``HMAC-SHA256 Signature=``), and the signature. One pattern for each
#: number of words, because base64 has a / as well, and may begin with it.
_WHOLE = [re.compile(rf"((?:[A-Za-z][A-Za-z0-9_.-]{{0,31}}(?:[=:,] |[=:,/ ])){{{n}}})({_TEXT})", re.ASCII) for n in range(4)]
_POSITIONAL = re.compile(rf"([0-9]{{10,13}})([,;:.| ])({_TEXT})", re.ASCII)
_ITEM = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,31}[=:])(.+)", re.ASCII)
_VERSION = re.compile(r"v[0-9],")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_SIGNS = re.compile(r"sig|hmac|hash|digest|mac|auth|token", re.IGNORECASE)
_DATES = re.compile(r"time|stamp|date|sent", re.IGNORECASE)
_NAMES = re.compile(r"id\b|-id|id$|nonce|delivery|uuid|key", re.IGNORECASE)
#: Headers of HTTP itself. No sender of webhooks signs their values.
_USUAL = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "origin",
        "referer",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
    }
)


class Stamp(NamedTuple):
    """A timestamp: its text, its unit, and its header; without one it stands in the signature header."""

    text: str
    unit: TimestampUnit
    header: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Carried(Record):
    """A header that may hold a signature, how its value is laid out, and what the hash would be."""

    header: str
    layout: str
    separator: str | None
    digest: str
    signatures: frozenset[bytes]
    stamp: Stamp | None = None  #: of a layout with {timestamp}

    def __repr__(self) -> str:
        return f"Carried({self.header!r}, {self.layout!r}, {self.digest!r})"


def unit_of(text: str) -> TimestampUnit | None:
    """Return the unit of a timestamp by its shape; None for another text."""
    if text.isascii() and text.isdigit() and text[0] != "0":
        return "s" if len(text) == 10 else "ms" if len(text) == 13 else None
    return "rfc3339" if _RFC3339.fullmatch(text) else None


def _named(headers: Headers, likely: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Yield the headers that came once, with their values; those with likely names first."""
    names = [name for name in list(dict.fromkeys(headers))[:MAX_HEADERS] if name.lower() not in _USUAL]
    for name in sorted(names, key=lambda name: likely.search(name) is None):
        lines = headers.all(name.lower())
        value = lines[0] if len(lines) == 1 else ""
        if value and len(value) <= MAX_VALUE and value.isascii() and value.isprintable():
            yield name, value


def stamps_of(headers: Headers) -> list[Stamp]:
    """Return the timestamps in headers of their own, the likeliest first."""
    found = [Stamp(value, unit, name) for name, value in _named(headers, _DATES) if (unit := unit_of(value)) is not None]
    return found[:MAX_STAMPS]


def ids_of(headers: Headers) -> list[tuple[str, str]]:
    """Return the headers whose values may be signed as they are, the likeliest first."""
    return [(name, value) for name, value in _named(headers, _NAMES) if len(value) <= 256 and unit_of(value) is None][:MAX_IDS]


def signatures_of(headers: Headers) -> list[Carried]:
    """Return every reading of a header as a signature, the likeliest first."""
    found: list[Carried] = []
    for name, value in _named(headers, _SIGNS):
        for layout, separator, token, stamp in _layouts(value):
            for encoding, digest in _encodings(token):
                text = layout.replace("{}", f"{{{encoding}}}")
                raw = Layout("{" + encoding + "}").decode(token)
                if raw is not None:
                    found.append(Carried(name, text, separator, digest, frozenset([raw]), stamp))
    return list(dict.fromkeys(found))[:MAX_SIGNATURES]


def _encodings(token: str) -> Iterator[tuple[str, str]]:
    """Yield the encodings that a text may have, and the hash that its length fits."""
    if re.fullmatch(r"[0-9a-f]+|[0-9A-F]+", token):
        if len(token) in _HEX_OF:
            yield "HEX" if token.upper() == token and token.lower() != token else "hex", _HEX_OF[len(token)]
        return
    if len(token) in _BASE64_OF:
        yield "base64url" if set(token) & set("-_") else "base64", _BASE64_OF[len(token)]
    if len(token) in _BARE_OF and not token.endswith("="):
        yield "base64url-nopad", _BARE_OF[len(token)]


def _layouts(value: str) -> Iterator[tuple[str, str | None, str, Stamp | None]]:
    """Yield layouts with ``{}`` in place of the signature, the separator, the signature's text, and a timestamp."""
    for words, token in _wholes(value):
        # Standard Webhooks: "v1,…" is the first item of a list.
        yield f"{words}{{}}", " " if _VERSION.fullmatch(words) else None, token, None
    if positional := _POSITIONAL.fullmatch(value):
        text, between, token = positional.groups()
        if (unit := unit_of(text)) is not None:
            yield f"{{timestamp}}{between}{{}}", None, token, Stamp(text, unit)
    for separator in (", ", ",", "; ", ";", " ", "&", "|"):
        items = value.split(separator)
        if 1 < len(items) <= 16:
            yield from _listed(items, separator)


def _listed(items: list[str], separator: str) -> Iterator[tuple[str, str | None, str, Stamp | None]]:
    keyed = [item.groups() for item in map(_ITEM.fullmatch, items) if item is not None]
    stamps = [(key, Stamp(text, unit)) for key, text in keyed if (unit := unit_of(text)) is not None]
    tokens = [(key, text) for key, text in keyed if re.fullmatch(_TEXT, text, re.ASCII)]
    for key, token in tokens:
        for stamp_key, stamp in stamps:
            yield f"{stamp_key}{{timestamp}}{separator}{key}{{}}", separator, token, stamp
        yield f"{key}{{}}", separator, token, None
    for words, token in (found for item in items for found in _wholes(item)):
        # A list of signatures, as after a rotation of secrets.
        if (words, token) not in tokens:
            yield f"{words}{{}}", separator, token, None


def _wholes(text: str) -> list[tuple[str, str]]:
    """Return the words in front of a signature, and the signature, for each way to read the text."""
    return [(found[1], found[2]) for pattern in _WHOLE if (found := pattern.fullmatch(text))]
