"""Readings of a secret that was copied or stored wrongly: what it may have been before. Texts in, texts and bytes out."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Iterator, Sequence
from typing import Union
from urllib.parse import unquote, unquote_plus

__all__ = ["cut_short", "readings"]

#: A value and the code of the mistake that it undoes. Text is read in the scheme's own format; bytes are the key itself.
Found = tuple[str, Union[str, bytes]]

#: Characters that show nothing: spaces of any width, marks of direction, joiners, the byte order mark.
_INVISIBLE = "\u00a0\u00ad\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\ufeff\0"
_BLANK = re.compile(rf"[\s{_INVISIBLE}]+")
_QUOTES = "\"'`\u201c\u201d\u2018\u2019"
_NAMED = re.compile(r"(?:export +|set +|\$env:)?[A-Za-z_][A-Za-z0-9_.-]{2,63} ?[:=] ?(.+)", re.DOTALL)
_WORD = re.compile(r"(?:Bearer|Basic|Token|Secret|Key)[: ]+(.+)", re.DOTALL | re.IGNORECASE)
_GROUP = re.compile(r"[A-Za-z0-9]{1,16}[_-]")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}", re.ASCII)
#: Digits that may be missing at an end, by the narrowest kind of the text.
_KINDS = (
    (re.compile(r"[0-9a-f]+"), "0123456789abcdef"),
    (re.compile(r"[0-9A-F]+"), "0123456789ABCDEF"),
    (re.compile(r"[A-Za-z0-9+/=_-]+"), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-"),
)
_PRINTABLE = "".join(map(chr, range(33, 127)))


def readings(value: str | bytes, fmt: str, prefixes: Sequence[str] = ()) -> Iterator[Found]:
    """Return what a secret may have been before a mistake, the likeliest first. Never the value itself.

    ``fmt`` is the format in which the scheme reads it: ``"text"``, ``"hex"``, ``"base64"`` or ``"whsec"``. ``prefixes`` are
    those with which the provider's secrets begin.
    """
    given = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    text = _text(given)
    seen: set[str | bytes] = {value, given} if fmt == "text" else {value}
    for code, found in _all(given, text, fmt, prefixes):
        # As text, the key is the text's own bytes: one spelling is enough.
        key = found.encode("utf-8", "surrogatepass") if fmt == "text" and isinstance(found, str) else found
        if key and key not in seen:
            seen.add(key)
            yield code, key


def cut_short(value: str | bytes) -> Iterator[str]:
    """Return the text with each character that may be missing at one of its ends."""
    text = value if isinstance(value, str) else _text(value)
    if text is not None:
        digits = next((digits for kind, digits in _KINDS if kind.fullmatch(text)), _PRINTABLE)
        yield from (text + digit for digit in digits)
        yield from (digit + text for digit in digits)


def _all(given: bytes, text: str | None, fmt: str, prefixes: Sequence[str]) -> Iterator[Found]:
    if text is None:
        yield from _spelled(given)
        return
    if fmt != "text":
        yield from _as_other_format(text, fmt)
    yield from _padded(text)
    bare = _unwrapped(text)
    if bare != text:
        yield "secret_wrapped", bare
    for prefix in prefixes:
        if not text.startswith(prefix):
            yield "secret_prefix_missing", prefix + text
    yield from _without_prefix(text)
    yield from _decoded(text)
    for other in (unquote(text), unquote_plus(text), text.replace(" ", "+"), text.replace("$$", "$"), html.unescape(text)):
        yield "secret_escaped", other
    if "\\" in text:
        yield "secret_escaped", text.replace("\\", "")
    yield "secret_case", text.lower()
    yield "secret_case", text.upper()
    yield from _halves(text)


def _text(given: bytes) -> str | None:
    """Return the bytes as text, or None for those of a random key."""
    try:
        text = given.decode()
    except UnicodeDecodeError:
        return None
    return text if _BLANK.sub("", text).isprintable() else None


def _padded(text: str) -> Iterator[Found]:
    yield "secret_padded", text.strip().strip(_INVISIBLE).strip()
    yield "secret_padded", _BLANK.sub("", text)


def _unwrapped(text: str) -> str:
    """Return the text without quotation marks, ``NAME=``, JSON, ``Bearer`` and punctuation around it."""
    for _ in range(6):
        before = text
        text = text.strip().rstrip(";,")
        if len(text) > 2 and text[0] in _QUOTES and text[-1] in _QUOTES:
            text = text[1:-1]
        elif text.startswith(("b'", 'b"')) and text.endswith(text[1]):
            text = text[2:-1]
        elif text.startswith(("{", "[")):
            text = _only_text(text)
        elif found := _WORD.fullmatch(text) or _NAMED.fullmatch(text):
            text = found[1]
        if text == before:
            break
    return text


def _only_text(text: str) -> str:
    """Return the one text in a JSON object or list; the same text if it is not such a document."""
    try:
        document = json.loads(text) if len(text) <= 10_000 else None
    except (ValueError, RecursionError):
        return text
    values = list(document.values()) if isinstance(document, dict) else document if isinstance(document, list) else []
    return values[0] if len(values) == 1 and isinstance(values[0], str) else text


def _without_prefix(text: str) -> Iterator[Found]:
    rest = text
    for _ in range(3):
        found = _GROUP.match(rest)
        if found is None or len(rest) - found.end() < 8:
            return
        rest = rest[found.end() :]
        yield "secret_prefix_added", rest


def _decoded(text: str) -> Iterator[Found]:
    """Return the text decoded from hex and base64: as text, if somebody encoded a text once more."""
    for candidate in dict.fromkeys((text, _BLANK.sub("", text), text.removeprefix("whsec_"))):
        for raw in filter(None, (_from_hex(candidate), _from_base64(candidate))):
            inner = _text(raw)
            if inner is not None:
                yield "secret_encoded_again", inner.strip()
                yield "secret_encoded_again", inner
            else:
                yield "secret_encoding", raw


def _as_other_format(text: str, fmt: str) -> Iterator[Found]:
    """Return the key for a scheme that decodes it, read in each other format."""
    yield "secret_encoding", text  # given as bytes, it was not decoded
    yield "secret_encoding", text.encode()
    if fmt == "whsec":
        yield "secret_encoding", text.removeprefix("whsec_").encode()
    bare = text.removeprefix("whsec_")
    for raw in (_from_hex(bare), _from_base64(bare)):
        if raw:
            yield "secret_encoding", raw


def _spelled(given: bytes) -> Iterator[Found]:
    """Return bytes as the texts that they may have been decoded from."""
    encoded = base64.b64encode(given)
    for spelling in (encoded, encoded.rstrip(b"="), given.hex().encode(), given.hex().upper().encode()):
        yield "secret_encoding", spelling
    web = base64.urlsafe_b64encode(given)
    yield "secret_encoding", web
    yield "secret_encoding", web.rstrip(b"=")
    yield "secret_encoding", b"whsec_" + encoded


def _halves(text: str) -> Iterator[Found]:
    for gap in ("", " ", "\n", ",", ";"):
        size = (len(text) - len(gap)) // 2
        if size >= 8 and text[:size] + gap + text[:size] == text:
            yield "secret_doubled", text[:size]


def _from_hex(text: str) -> bytes:
    return bytes.fromhex(text) if _HEX.fullmatch(text) else b""


def _from_base64(text: str) -> bytes:
    if len(text) < 12 or not _BASE64.fullmatch(text):
        return b""
    body = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except binascii.Error:
        return b""
