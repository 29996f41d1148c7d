"""Spellings of a path that routers treat as equal, so that a guard by path covers every spelling.

A router may ignore case, repeated slashes, dot segments, ``;`` parameters and invisible characters. A guard that compared the
raw path would let those spellings pass.
"""

from __future__ import annotations

import re
from unicodedata import category, normalize
from urllib.parse import unquote

from hookguard.head.marks import cut_runs

__all__ = ["any_spelling_begins", "canonical_path", "spellings"]

#: The two letters that ``re.IGNORECASE`` takes for an "i" and ``str.casefold`` does not.
_DOTTED_AND_DOTLESS = str.maketrans("\u0130\u0131", "ii")
_SLASHES = re.compile(r"[/\\]+")
_PARAMETERS = re.compile(r";[^/]*")
#: Characters that a router may trim from the end of a path. The search begins only where they do: a path may have thousands.
_BLANK_END = re.compile(r"(?<![\s\x00-\x1f/])[\s\x00-\x1f/]+\Z")


def spellings(path: str) -> set[str]:
    """Return the readings of a path: folded, without invisible characters, and plain."""
    folded = _folded(path)
    readings = {folded, _visible(folded), _visible(folded.replace("\0", ""))}
    return readings | set(map(_resolved, readings))


def canonical_path(path: str) -> str:
    """Return the one spelling that equal paths have in common: no escapes, case, dot segments, parameters or repeated slashes."""
    return _resolved(_visible(_folded(path)))


def any_spelling_begins(path: str, prefix: str) -> bool:
    """Whether a reading of the path begins with the prefix; the slash at its end may be missing from the path."""
    if path.startswith(prefix):
        return True
    start = _visible(_folded(prefix))
    return any(f"{reading}/".startswith(start) for reading in spellings(path))


def _folded(path: str) -> str:
    """Return the path without escapes, repeated slashes and case."""
    for _ in range(4):  # an application may decode escapes that the server left
        if "%" not in path:
            break
        path = unquote(path)
    if not path.isascii():
        # Paths that differ only in marks that are cut count as equal, so no guarded path escapes its guard.
        path = normalize("NFKC", cut_runs(path.translate(_DOTTED_AND_DOTLESS)))
    return _SLASHES.sub("/", path.casefold())


def _visible(path: str) -> str:
    """Return the path without control and format characters, which URL parsers drop; some stop at a NUL."""
    path = path.partition("\0")[0]
    return path if path.isprintable() else "".join(each for each in path if not category(each).startswith("C"))


def _resolved(path: str) -> str:
    """Return the path with its dot segments resolved, without parameters and without characters that routers trim."""
    steps: list[str] = []
    for step in _PARAMETERS.sub("", path).split("/"):
        if step == "..":
            del steps[-1:]
        elif step not in ("", "."):
            steps.append(step)
    return _BLANK_END.sub("", "/" + "/".join(steps)) or "/"
