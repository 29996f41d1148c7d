"""JSON read strictly, at less than twice what ``json.loads`` costs.

A signature proves only the bytes, and every parser must read the same values from them.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from hookguard.errors import MalformedBody

__all__ = ["MAX_DEPTH", "read_json"]

#: Levels of nesting in a JSON or XML body. Python's own JSON parser stops near 1,000, or overflows the stack.
MAX_DEPTH = 64
#: Digits of one number. Converting text to int takes quadratic time.
MAX_DIGITS = 1000

_SAMPLES_OF_A_LONG_NUMBER = re.compile(rb"[-+.0-9eE]{10}")
_MARKS = b'":,[]{}'
_NO_MARKS = bytes(set(range(256)) - set(_MARKS))
_AS_LISTS = bytes.maketrans(b"{}", b"[]")


def read_json(body: bytes, *, most: int | None = None) -> Any:
    """Return the JSON in a body.

    MalformedBody unless it is UTF-8 without a byte order mark, repeated keys, NaN or Infinity, of at most 64 levels and
    1,000 digits a number. ``most`` bounds the brackets, commas and colons, and so the memory that parsing takes.
    """
    if most is not None and len(body) > most and len(body) - len(body.translate(None, b"{[,:")) > most:
        raise MalformedBody(f"the JSON has more than {most} values, the limit before a signature is checked", limit=most)
    if _quick_way_pays(body):
        try:
            return _read_quickly(body)
        except (ValueError, RecursionError):
            pass  # The strict reader decides, and says what is wrong.
    return _read_strictly(body)


def _read_strictly(body: bytes) -> Any:
    try:
        document = _DECODER.decode(body.decode("utf-8"))
    except RecursionError:
        raise MalformedBody(f"the JSON is nested more than {MAX_DEPTH} levels deep", limit=MAX_DEPTH) from None
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors too
        # The error's own text may quote the body.
        raise MalformedBody(f"the body is not valid JSON ({type(error).__name__})") from None
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth_exceeds(document, MAX_DEPTH):
        raise MalformedBody(f"the JSON is nested more than {MAX_DEPTH} levels deep", limit=MAX_DEPTH)
    return document


def _read_quickly(body: bytes) -> Any:
    """Return what ``_read_strictly`` returns, or raise ValueError or RecursionError if that may not be so.

    The strict decoder costs 2.2 to 2.9 times ``json.loads`` at 20 and 256 KB: it makes pairs, and calls a hook for each number.
    Here ``json.loads`` makes the dicts. If no key is repeated, they have as many keys as the text has colons between its
    strings. This costs 1.5 to 1.95 times (``benchmarks/read_json.py``).
    """
    if _may_hold_a_long_number(body):
        raise ValueError("a number of too many digits, or text like one")
    pieces, start = [], 0
    while (at := body.find(b"\\", start)) >= 0:
        pieces.append(body[start:at])
        start = at + 2
    marks = b"".join([piece.translate(_AS_LISTS, _NO_MARKS) for piece in (*pieces, body[start:])])
    # If it is JSON, these quotes begin and end strings, and two neighbours are a string without marks.
    marks = b"".join(marks.replace(b'""', b"").split(b'"')[::2])
    keys = 0

    def count(found: dict[str, Any]) -> dict[str, Any]:
        nonlocal keys
        keys += len(found)
        return found

    decoder = json.JSONDecoder(object_hook=count, parse_float=_finite, parse_constant=_no_constant)
    document = decoder.decode(body.decode("utf-8"))
    if marks.count(b":") != keys:
        raise ValueError("a repeated key")
    brackets = marks.translate(None, b":,")
    for _ in range(MAX_DEPTH):
        if not brackets:
            break
        brackets = brackets.replace(b"[]", b"")  # the innermost level
    if brackets:
        raise ValueError("too many levels")
    return document


def _quick_way_pays(body: bytes) -> bool:
    # The strict decoder costs time for each object, key and number; the quick way for each byte and escape, and 3 us.
    if len(body) < 3000 or body.count(b"\\") * 200 > len(body):
        return False
    sample = body[::100]
    return len(sample) - len(sample.translate(None, _MARKS)) > len(sample) // 16


def _may_hold_a_long_number(body: bytes) -> bool:
    # A number of more than 1,000 characters covers ten samples, and one of the steps of 500 wholly.
    return _SAMPLES_OF_A_LONG_NUMBER.search(body[::100]) is not None and not all(
        body[at : at + 500].strip(b"0123456789+-.eE") for at in range(0, len(body), 500)
    )


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a repeated key")
    return found


def _number(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError("a number of too many digits")
    return int(text)


def _float(text: str) -> float:
    if len(text) > MAX_DIGITS:
        raise ValueError("a number of too many digits")
    return _finite(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number that is too large")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_no_repeats, parse_int=_number, parse_float=_float, parse_constant=_no_constant)


def _depth_exceeds(document: Any, limit: int) -> bool:
    level = [document]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True
