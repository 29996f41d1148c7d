"""Bodies that may have been signed before a tool changed them: white space, encodings, containers, copies.

Each hypothesis is a function: it takes the body that came, and yields a code, a detail and the body as it may have been.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
import zlib
from collections.abc import Iterator
from typing import Final, Literal
from unicodedata import normalize

from hookguard.head.marks import cut_runs

__all__ = ["Bodies", "bytes_changed", "text_changed", "unpacked"]

Bodies = Iterator[tuple[str, str, bytes]]

#: The most bytes that a compressed body may inflate to.
MAX_INFLATED = 1 << 20
_BOM = b"\xef\xbb\xbf"
_GZIP, _ZLIB = b"\x1f\x8b", (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]+={0,2}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;[^\r\n]{0,100})?\r?\n")
_ENTITY = re.compile(r"&(?:#[0-9]{1,6}|#[xX][0-9A-Fa-f]{1,5}|[a-zA-Z]{2,8});")
_C1 = re.compile("[\x80-\x9f]")
_NEWLINE = re.compile(rb"\r\n?|\n")
#: Encodings that a text is decoded or written in by mistake.
_CHARSETS = ("latin-1", "cp1252", "cp1251", "gb18030", "shift_jis", "euc_kr", "big5", "mac_roman", "cp437", "cp850", "iso8859_15")
_FORMS: Final[tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...]] = ("NFC", "NFD", "NFKC", "NFKD")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "0": "\0", "a": "\a", "v": "\v"}
_PYTHON_ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{2}|[0-7]{1,3}|.)", re.DOTALL)


def bytes_changed(body: bytes) -> Bodies:
    """Undo changes of single bytes: white space at the ends, line endings, a byte order mark, a copy."""
    for end, name in ((b"\r\n", "a line break"), (b"\n", "a line break"), (b" ", "a space"), (b"\0", "a NUL byte")):
        if body.endswith(end):
            yield "body_whitespace_added", f"{name} at the end", body[: -len(end)]
    yield "body_whitespace_added", "at the end", body.rstrip()
    yield "body_whitespace_added", "at an end", body.strip()
    if body.startswith(_BOM):
        yield "body_bom_added", "", body.removeprefix(_BOM)
    yield from _line_endings(body)
    for end, name in ((b"\n", "LF"), (b"\r\n", "CRLF"), (b"\n\n", "two LF"), (b" ", "a space"), (b"\r\n\r\n", "two CRLF")):
        yield "body_whitespace_removed", f"{name} at the end", body + end
        if end in (b"\n", b"\r\n"):
            yield "body_whitespace_removed", f"{name} at the beginning", end + body
    yield from _copies(body)


def _line_endings(body: bytes) -> Bodies:
    if b"\r" in body or b"\n" in body:
        for end, name in ((b"\n", "LF"), (b"\r\n", "CRLF"), (b"\r", "CR")):
            changed = _NEWLINE.sub(end, body)
            if changed == body:
                continue  # white space at the end is a cause of its own
            yield "body_line_endings", f"signed with {name}", changed
            yield "body_line_endings", f"signed with {name} at the end", changed + end
            yield "body_line_endings", f"signed with {name}, without a line break at the end", changed.rstrip()


def _copies(body: bytes) -> Bodies:
    for gap in (0, 1, 2):
        half, odd = divmod(len(body) - gap, 2)
        if half > 0 and not odd and body[:half] == body[half + gap :]:
            yield "body_repeated", "twice", body[:half]
    third, rest = divmod(len(body), 3)
    if third and not rest and body == body[:third] * 3:
        yield "body_repeated", "three times", body[:third]


def unpacked(body: bytes, encoding: str | None) -> Bodies:
    """Take the body out of a container: compression, base64, chunks, a printed object, a string."""
    for plain in _inflated(body, encoding):
        yield "body_compressed", "", plain
    for plain in _from_base64(body):
        yield "body_base64", "", plain
    if (joined := _from_chunks(body)) is not None:
        yield "body_chunked", "", joined
    yield from _from_string(body)
    if (printed := _from_repr(body)) is not None:
        yield "body_repr", "bytes", printed


def _inflated(body: bytes, encoding: str | None) -> Iterator[bytes]:
    """Return the inflated body; nothing for more than 1 MiB, or for data that ends early or has something behind it."""
    kinds: list[int] = []
    if body.startswith(_GZIP):
        kinds.append(31)
    elif body.startswith(_ZLIB):
        kinds.append(15)
    if encoding is not None and "deflate" in encoding.lower():
        kinds.append(-15)
    for kind in kinds:
        stream = zlib.decompressobj(kind)
        try:
            plain = stream.decompress(body, MAX_INFLATED)
        except zlib.error:
            continue
        if stream.eof and not stream.unused_data and not stream.unconsumed_tail:
            yield plain


def _from_base64(body: bytes) -> Iterator[bytes]:
    text = body.strip()
    if text[:1] == text[-1:] == b'"':
        text = text[1:-1]
    if text.startswith(b"data:"):
        text = text.partition(b"base64,")[2]
    text = b"".join(text.split())
    if len(text) >= 8 and _BASE64.fullmatch(text):
        bare = text.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
        try:
            yield base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True)
        except binascii.Error:
            return


def _from_chunks(body: bytes) -> bytes | None:
    parts: list[bytes] = []
    at = 0
    while len(parts) < 1000 and (found := _CHUNK.match(body, at)):
        size = int(found[1], 16)
        at = found.end() + size
        if not size:
            return b"".join(parts) if parts else None
        if at > len(body):
            return None
        parts.append(body[found.end() : at])
        if body.startswith(b"\r\n", at):
            at += 2
        elif body.startswith(b"\n", at):
            at += 1
    return None


def _from_string(body: bytes) -> Bodies:
    text = body.strip()
    if b"\\" not in text and not (text.startswith(b'"') and text.endswith(b'"')):
        return
    inner: object = None
    if text.startswith(b'"'):
        try:
            inner = json.loads(text)
        except (ValueError, RecursionError):
            inner = None
    for _ in range(3):  # a string may hold a string
        if not isinstance(inner, str):
            break
        yield "body_escaped", "a JSON string", inner.encode("utf-8", "surrogatepass")
        try:
            inner = json.loads(inner)
        except (ValueError, RecursionError):
            break
    try:
        came = body.decode()
    except UnicodeDecodeError:
        return
    if _reads_as_json(came):
        return  # its backslashes are JSON's own
    bare = came.strip()
    for quoted in dict.fromkeys((came, bare[1:-1] if bare[:1] == bare[-1:] and bare[:1] in "\"'" else bare)):
        yield "body_escaped", "backslashes before quotation marks", quoted.replace('\\"', '"').encode()
        yield "body_escaped", "backslashes before quotation marks", re.sub(r"\\([\\\"'])", r"\1", quoted).encode()
        yield "body_escaped", "backslashes", _ESCAPED.sub(lambda m: _CONTROLS.get(m[1], m[1]), quoted).encode()


def _reads_as_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), (dict, list))
    except (ValueError, RecursionError):
        return False


def _from_repr(body: bytes) -> bytes | None:
    """Return the bytes of a printed ``b'…'``."""
    text = body.strip()
    if text.startswith((b"bytearray(", b"memoryview(")) and text.endswith(b")"):
        text = text.partition(b"(")[2][:-1]
    if len(text) < 3 or text[:1] not in b"bB" or text[1:2] not in b"\"'" or text[-1:] != text[1:2]:
        return None
    return _PYTHON_ESCAPE.sub(_python_escape, text[2:-1])


def _python_escape(found: re.Match[bytes]) -> bytes:
    escape = found[1]
    if escape[:1] == b"x" and len(escape) == 3:
        return bytes([int(escape[1:], 16)])
    if escape[:1].isdigit():
        return bytes([int(escape, 8) & 255])
    return _CONTROLS.get(escape.decode("latin-1"), escape.decode("latin-1")).encode("latin-1")


def text_changed(body: bytes, largest: int) -> Bodies:
    """Undo a wrong decoding, a normalization, and escapes of HTML. No body over ``largest`` bytes is normalized."""
    if not body.isascii():
        yield from _charsets(body)
        if len(body) <= largest:
            yield from _normalized(body)
    elif b"\0" in body:
        yield from _charsets(body)
    if b"&" in body:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return
        once = _unescaped(text)
        yield "body_html_escaped", "", once.encode("utf-8", "surrogatepass")
        yield "body_html_escaped", "twice", _unescaped(once).encode("utf-8", "surrogatepass")
        yield "body_html_escaped", "quotation marks only", text.replace("&quot;", '"').encode()


def _unescaped(text: str) -> str:
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text)


def _charsets(body: bytes) -> Bodies:
    if b"\0" in body:
        for wide in ("utf-16", "utf-16-le", "utf-16-be"):
            yield from _coded(body, wide, "utf-8", f"came in {wide.upper()}")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        for name in _CHARSETS:
            yield from _coded(body, name, "utf-8", f"came in {_shown(name)}")
        return
    # The signed UTF-8 was decoded as another encoding, and written as UTF-8. Or the text was signed in the other encoding.
    for name in _CHARSETS:
        yield from _coded(body, "utf-8", name, f"UTF-8 that was read as {_shown(name)}")
    if _C1.search(text):
        yield from _coded(_mixed(text), "latin-1", "latin-1", "UTF-8 that was read as CP1252")
    for twice in ("latin-1", "cp1252"):
        for _, _, once in _coded(body, "utf-8", twice, ""):
            yield from _coded(once, "utf-8", twice, f"UTF-8 that was read as {_shown(twice)} twice")


def _shown(name: str) -> str:
    return name.upper().replace("_", "-")


def _mixed(text: str) -> bytes:
    """Undo a decoding as CP1252 that fell back to LATIN-1 for its five undefined bytes, as browsers and databases do."""
    return b"".join(char.encode("latin-1" if "\x80" <= char <= "\x9f" else "cp1252", "replace") for char in text)


def _coded(body: bytes, read: str, write: str, detail: str) -> Bodies:
    try:
        yield "body_charset", detail, body.decode(read).encode(write)
    except (UnicodeError, ValueError):
        return


def _normalized(body: bytes) -> Bodies:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return
    if cut_runs(text) != text:
        return  # to normalize it could stop the whole process for seconds
    for form in _FORMS:
        yield "body_normalized", f"signed as {form}", normalize(form, text).encode()
