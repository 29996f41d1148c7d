"""The strict JSON reader in its plainest form: a hook for every object and number, and a walk for the depth.

``read_json`` takes short cuts, and must give the same verdicts and values.
"""

from __future__ import annotations

import json
import math
from typing import Any

from hookguard.errors import MalformedBody

MAX_DEPTH = 64
MAX_DIGITS = 1000


def read_json(body: bytes, *, most: int | None = None) -> Any:
    """Return the JSON in a body, or raise MalformedBody."""
    if most is not None and len(body) > most and sum(map(body.count, (b"{", b"[", b",", b":"))) > most:
        raise MalformedBody(f"the JSON has more than {most} values, the limit before a signature is checked", limit=most)
    try:
        document = _DECODER.decode(body.decode("utf-8"))
    except RecursionError:
        raise MalformedBody(f"the JSON is nested more than {MAX_DEPTH} levels deep", limit=MAX_DEPTH) from None
    except ValueError as error:
        raise MalformedBody(f"the body is not valid JSON ({type(error).__name__})") from None
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth_exceeds(document, MAX_DEPTH):
        raise MalformedBody(f"the JSON is nested more than {MAX_DEPTH} levels deep", limit=MAX_DEPTH)
    return document


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
