"""JSON bodies as other programs write them. Only the writing changes: numbers, the order of keys and all values stay.

The body is read once into tokens. Each way of writing then costs one join.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import islice
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import NamedTuple

from hookguard.autopsy.bodies import Bodies
from hookguard.autopsy.hypothesis import Replayed

__all__ = ["Tokens", "read_printed", "read_tokens", "rewritten"]

MAX_NESTING = 64

#: A token, or any other character, which ends the reading.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|-?[0-9][0-9.eE+-]*|true|false|null|\S', re.DOTALL)
_STRING = json.JSONDecoder(strict=False)  # json.loads would make one for each string
_PUNCTUATION_OR_DIGIT = frozenset(":0123456789")
_PRINTED = re.compile(
    r"\s*([bu]?'(?:[^'\\]|\\.)*'|[bu]?\"(?:[^\"\\]|\\.)*\"|-?[0-9][0-9.eE+-]*|True|False|None|:?[A-Za-z_]\w*|=>|[\[\](){},:])",
    re.DOTALL,
)
_WORDS = {"True": "true", "False": "false", "None": "null", "nil": "null", "true": "true", "false": "false", "null": "null"}
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|.)", re.DOTALL)
_PYTHON_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[0-7]{1,3}|.)", re.DOTALL)
_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "a": "\a", "v": "\v", "0": "\0", "\n": ""}


class Tokens(NamedTuple):
    """A document: its tokens, the positions of strings among them, the strings' values, and a key for each token.

    A key says how the token is written: ``s`` for a string, ``,2`` for a comma at the second level, ``{2`` and ``}2`` for the
    brackets of an object that is not empty. Any other token is its own key.
    """

    texts: list[str]
    strings: list[int]
    values: list[str]
    keys: list[str]
    depths: set[int]


def read_tokens(text: str) -> Tokens | None:
    """Return the pieces of a JSON document; None if it is not one, or is nested more than 64 levels."""
    found = Tokens([], [], [], [], {0})
    depth, texts, keys = 0, found.texts, found.keys
    for matched in _TOKEN.finditer(text):
        piece = key = matched[0]
        if len(piece) > 1 and piece[0] == '"':
            key = "s"
            found.strings.append(len(texts))
            try:
                found.values.append(piece[1:-1] if "\\" not in piece else _STRING.decode(piece))
            except ValueError:
                return None
        elif key in "[{":
            depth += 1
            if depth > MAX_NESTING:
                return None
            found.depths.add(depth)
            key = f"{key}{depth}"
        elif key in "]}":
            if texts and texts[-1] in "[{":
                keys[-1] = texts[-1]  # nothing is between the two brackets
            else:
                key = f"{key}{depth}"
            depth -= 1
        elif key == ",":
            key = f",{depth}"
        elif len(piece) == 1 and piece not in _PUNCTUATION_OR_DIGIT:
            return None
        texts.append(piece)
        keys.append(key)
    return found if texts and depth == 0 and _is_well_formed(texts) else None


def _is_well_formed(texts: list[str]) -> bool:
    """Whether brackets fit together and one document ends with the text. Other faults change nothing here."""
    open_: list[str] = []
    for position, piece in enumerate(texts):
        if piece in "[{":
            open_.append("]" if piece == "[" else "}")
        elif piece in "]}":
            if not open_ or open_.pop() != piece:
                return False
            if not open_ and position + 1 != len(texts):
                return False
    return not open_ and (len(texts) == 1 or texts[0] in "[{")


class _Style(NamedTuple):
    """A way of writing: the texts for ``,`` and ``:``, and the indent of one level (None for one line)."""

    name: str
    comma: str = ","
    colon: str = ":"
    indent: str | None = None
    newline: str = "\n"
    lines: bool = False  #: whether only the members of the outermost list stand on lines of their own


_STYLES = (
    _Style("compact"),
    _Style("spaced", ", ", ": "),
    _Style("indented by 2", ",", ": ", "  "),
    _Style("indented by 4", ",", ": ", "    "),
    _Style("a member on each line", ",\r\n", ":", lines=True),
    _Style("a member on each line", ",\n", ":", lines=True),
    _Style("indented by a tab", ",", ": ", "\t"),
    _Style("compact with spaces behind colons", ",", ": "),
    _Style("compact with spaces behind commas", ", ", ":"),
    _Style("indented by 2 with CRLF", ",", ": ", "  ", "\r\n"),
    _Style("indented by 2 with spaces around colons", ",", " : ", "  "),
)


def _slashes(text: str) -> str:
    return text.replace("/", "\\/")


def _markup(text: str) -> str:
    for char, escape in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029")):
        text = text.replace(char, escape)
    return text


def _capitals(text: str) -> str:
    return _ESCAPE.sub(lambda found: f"\\u{found[1].upper()}" if found[1] else found[0], text) if "\\u" in text else text


def _strict_html(text: str) -> str:
    text = _capitals(_ascii(text)).replace('\\"', "\\u0022")
    for char in "<>&'+`":
        text = text.replace(char, f"\\u{ord(char):04X}")
    return text


def _html_safe(text: str) -> str:
    return _markup(_plain(text)).replace("=", "\\u003d").replace("'", "\\u0027")


def _platform(text: str) -> str:
    text = _slashes(_ascii(text))
    for char in "@<%":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _plain(text: str) -> str:
    """Escape what JSON requires; the quotation marks around a string are part of the frame."""
    return encode_basestring(text)[1:-1]


def _ascii(text: str) -> str:
    return encode_basestring_ascii(text)[1:-1]


_ESCAPES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("", _plain),
    ("non-ASCII escaped", _ascii),
    ("<>& escaped", lambda text: _markup(_plain(text))),
    ("non-ASCII and slashes escaped", lambda text: _slashes(_ascii(text))),
    ("slashes escaped", lambda text: _slashes(_plain(text))),
    ("non-ASCII, @<% and slashes escaped", _platform),
    ("non-ASCII and <>&'+ escaped in capitals", _strict_html),
    ("non-ASCII and <>& escaped", lambda text: _markup(_ascii(text))),
    ("non-ASCII escaped in capitals", lambda text: _capitals(_ascii(text))),
    ("<>&=' escaped", _html_safe),
    ("non-ASCII, <>& and slashes escaped", lambda text: _slashes(_markup(_ascii(text)))),
)
#: Characters that no way of writing changes: one that is in no string separates them, so that all are written in one call.
_SEPARATORS = "|~^#$!;*?"
_ENDS = (("", ""), ("\n", ", LF at the end"), ("\r\n", ", CRLF at the end"))
#: How many ways of escaping are tried for each style, without and with a line break at the end: unusual pairs are left out.
_WIDE, _NARROW, _MIDDLE = 12, 3, 5
_FEW = {"compact": 6, "spaced": 3, "indented by 2": 2, "indented by 4": 1, "a member on each line": 2}


def _tries(style: _Style, end: str, *, few: bool) -> int:
    if few:
        # Public keys are slow: a few ways of escaping for each of the usual styles.
        return (
            0
            if style.name not in _FEW
            else _FEW[style.name]
            if not end
            else int(style.name == "compact" or "\r" in end + style.comma)
        )
    if end == "\r\n":
        return _MIDDLE if style.lines or style.name == "compact" else 0
    usual = style.name in ("compact", "spaced", "indented by 2", "indented by 4") or "\r" in style.comma
    if end:
        return _MIDDLE if usual and not style.lines else 0
    return _WIDE if usual else _NARROW


def rewritten(tokens: Tokens, code: str = "body_reserialized", *, ends: bool = True, few: bool = False) -> Bodies:
    """Yield the document in every way of writing, the likeliest first; only in the usual ones with ``few``."""
    spellings = Replayed(_spelled(tokens))  # made when they are needed
    frames: dict[_Style, list[str]] = {}
    for end, said in _ENDS if ends else _ENDS[:1]:
        for style in _STYLES:
            if not (tries := _tries(style, end, few=few)):
                continue
            frame = frames[style] = frames.get(style) or _frame(tokens, style)
            for name, strings in islice(spellings, tries):
                frame[1::2] = strings
                text = "".join(frame) + end
                try:
                    yield code, f"signed {style.name}{f', {name}' if name else ''}{said}", text.encode()
                except UnicodeEncodeError:
                    continue  # half of a surrogate pair, which only an escape can write


def _spelled(tokens: Tokens) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the insides of all strings in each way of escaping; no two are equal."""
    came = tuple(tokens.texts[at][1:-1] for at in tokens.strings)
    seen = {came}
    yield "", came
    if not came:
        return
    joined = "".join(tokens.values)
    between = next((char for char in _SEPARATORS if char not in joined), None)
    together = between.join(tokens.values) if between is not None else ""
    for name, spell in _ESCAPES:
        strings = tuple(map(spell, tokens.values)) if between is None else tuple(spell(together).split(between))
        if strings not in seen:
            seen.add(strings)
            yield name, strings


def _frame(tokens: Tokens, style: _Style) -> list[str]:
    """Return the texts between the insides of the strings; each second place is for one of these."""
    texts = {key: key for key in set(tokens.keys)}  # numbers and the like, which are the same in every way of writing
    texts |= {"s": '"\0"', ":": style.colon}
    for depth in range(max(tokens.depths) + 1):
        step = "" if style.indent is None else style.newline + style.indent * depth
        outer = "" if style.indent is None else style.newline + style.indent * max(depth - 1, 0)
        texts[f",{depth}"] = ("," if style.lines and depth > 1 else style.comma) + step
        for open_, close in ("[]", "{}"):
            texts[f"{open_}{depth}"], texts[f"{close}{depth}"] = open_ + step, outer + close
    between = "".join(map(texts.__getitem__, tokens.keys)).split("\0")
    frame = [""] * (2 * len(between) - 1)
    frame[::2] = between
    return frame


def read_printed(text: str) -> Tokens | None:
    """Return the tokens of a printed dictionary or list (``{'id': None}``, ``{:id=>nil}``) as those of the same JSON."""
    texts: list[str] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _PRINTED.match(text, at)
        if found is None:
            return None
        piece, at = found[1], found.end()
        if piece[-1] in "\"'" and len(piece) > 1:
            texts.append(json.dumps(_PYTHON_ESCAPE.sub(_unescaped, piece.lstrip("bu")[1:-1]), ensure_ascii=False))
        elif piece == "=>":
            texts.append(":")
        elif piece in "()":
            texts.append("[" if piece == "(" else "]")
        elif piece in _WORDS:
            texts.append(_WORDS[piece])
        elif piece[0].isalpha() or (piece[0] == ":" and len(piece) > 1):
            texts.append(json.dumps(piece.lstrip(":")))
        else:
            texts.append(piece)
    return read_tokens("".join(texts))


def _unescaped(found: re.Match[str]) -> str:
    escape = found[1]
    if escape[0] in "xuU" and len(escape) > 1:
        code = int(escape[1:], 16)
        return chr(code) if code < 0x110000 else ""
    if escape.isdigit():
        return chr(int(escape, 8))
    return _SIMPLE.get(escape, escape)
