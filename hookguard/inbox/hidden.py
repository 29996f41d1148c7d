"""A body as people are shown it: its beginning, without the values that JSON pointers (RFC 6901) lead to."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any, Final

from hookguard.errors import ConfigurationError

__all__ = ["HIDDEN", "Pointer", "read_pointers", "shown_body"]

#: The steps of a pointer.
Pointer = tuple[str, ...]

#: The text in place of a value.
HIDDEN: Final = "(hidden)"

#: Bytes of a body that are shown.
LARGEST: Final = 64 * 1024


def read_pointers(given: object) -> tuple[Pointer, ...]:
    """Return the steps of each pointer. Raises ConfigurationError for anything but a list of pointers."""
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise ConfigurationError(f"inbox: hide is {given!r}; give a list of JSON pointers, as in ['/data/object/card']")
    return tuple(map(_steps, given))


def _steps(pointer: object) -> Pointer:
    if not isinstance(pointer, str) or not pointer.startswith("/"):
        raise ConfigurationError(f"inbox: hide: {pointer!r} is not a JSON pointer: begin with a slash, as in '/data/object/card'")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/"))


def shown_body(data: bytes, pointers: Collection[Pointer]) -> str:
    """Return the beginning of a body as text. If values must stay hidden, a body in which they cannot be found is not shown.

    The text is the sender's: its control characters are still in it.
    """
    if pointers and data:
        text = _without(data, pointers)
        if text is None:
            return f"not shown: it is not JSON, so the values to hide cannot be found in it ({len(data):,} bytes)"
        data = text.encode("utf-8", "backslashreplace")
    rest = f"\n… {len(data) - LARGEST:,} more bytes" if len(data) > LARGEST else ""
    return data[:LARGEST].decode("utf-8", "backslashreplace") + rest


def _without(data: bytes, pointers: Iterable[Pointer]) -> str | None:
    """Return JSON on several lines, with each value that a pointer leads to replaced; None for data that is not JSON.

    Of a name that comes twice in an object only the last value is left.
    """
    try:
        document = json.loads(data)
        for pointer in pointers:
            _hide(document, pointer)
        return json.dumps(document, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None


def _hide(document: Any, pointer: Pointer) -> None:
    *way, last = pointer
    for step in way:
        document = _inside(document, step)
    if isinstance(document, dict):
        if last in document:
            document[last] = HIDDEN
    elif isinstance(document, list) and (position := _position(document, last)) is not None:
        document[position] = HIDDEN


def _inside(document: Any, step: str) -> Any:
    if isinstance(document, dict):
        return document.get(step)
    if isinstance(document, list) and (position := _position(document, step)) is not None:
        return document[position]
    return None


def _position(items: list[Any], step: str) -> int | None:
    # The length comes first: int() rejects thousands of digits.
    return int(step) if step.isascii() and step.isdecimal() and len(step) < 10 and int(step) < len(items) else None
