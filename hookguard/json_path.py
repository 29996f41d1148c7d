r"""Dotted paths into JSON: ``data.object.id``.

A step of digits is an index into a list, from 0: ``0.data.code``. A dot in a name has a backslash before it:
``data.@odata\.etag``.
"""

from __future__ import annotations

from typing import Any

from hookguard.errors import ConfigurationError

__all__ = ["Steps", "join", "put", "read", "steps", "walk"]

Steps = tuple[str, ...]


def steps(path: str) -> Steps:
    """Return the steps of a dotted path; an empty tuple for an empty path, which is the document itself.

    ConfigurationError for a path with an empty step.
    """
    if not path:
        return ()
    taken = tuple(path.split(".")) if "\\" not in path else _unescaped(path)
    if "" in taken:
        raise ConfigurationError(f"the path {path!r} has an empty step: write the names with one dot between them")
    return taken


def _unescaped(path: str) -> Steps:
    return tuple(step.replace("\0", ".") for step in path.replace("\\.", "\0").split("."))


def join(*paths: str | int) -> str:
    """Return one path made of several in sequence; a number is an index into a list, and an empty path adds nothing."""
    return ".".join(str(path) for path in paths if path != "")


def read(value: Any, path: Steps) -> Any:
    """Return the value at the path, or None if it is missing."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and (position := _position(value, step)) is not None:
            value = value[position]
        else:
            return None
    return value


def put(document: Any, path: Steps, value: Any) -> bool:
    """Put a value at the path, and create the objects on the way; False if another kind of value is on the way."""
    *way, last = path
    for step in way:
        if isinstance(document, dict):
            document = document.setdefault(step, {})
        elif isinstance(document, list) and (position := _position(document, step)) is not None:
            document = document[position]
        else:
            return False
    if isinstance(document, dict):
        document[last] = value
        return True
    if isinstance(document, list) and (position := _position(document, last)) is not None:
        document[position] = value
        return True
    return False


def walk(value: Any, path: Steps) -> list[Any] | None:
    """Return the items of the list at the path; None if there is no list.

    A list on the way is walked through, item by item, unless the step is an index.
    """
    if not path:
        return value if isinstance(value, list) else None
    step, *rest = path
    after = tuple(rest)
    if isinstance(value, dict):
        return walk(value.get(step), after)
    if not isinstance(value, list):
        return None
    if step.isdecimal():
        position = _position(value, step)
        return None if position is None else walk(value[position], after)
    found = [walk(item, path) for item in value]
    return None if None in found else [member for members in found if members is not None for member in members]


def _position(items: list[Any], step: str) -> int | None:
    # The length is checked before int(), which is slow for long texts and rejects thousands of digits.
    return int(step) if step.isascii() and step.isdecimal() and len(step) < 10 and int(step) < len(items) else None
