"""Which guard stands before a path.

A guard by path never under-guards. The application behind it may route another path than the one that came: it may cut a
root path, ignore case, or overlook slashes. So every path that ends in a guarded one, however it is spelled, is guarded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from hookguard import AsyncGuard, ConfigurationError
from hookguard.errors import MalformedDelivery
from hookguard.head.spelling import canonical_path, spellings

__all__ = ["GuardedPaths"]

#: Text after a guarded path: slashes, blanks and control characters that a router overlooks, and text a second parser cuts.
_ENDING = r"[\s\x00-\x1f/]*(?:[;?#].*)?\Z"

#: Requests whose guard is remembered, by their paths, and the length of those: senders choose them.
MOST_KNOWN = 512
LONGEST_KNOWN = 256


class GuardedPaths:
    """The guards of an application's paths; ConfigurationError for a path that would guard nothing."""

    def __init__(self, paths: Mapping[str, AsyncGuard]) -> None:
        self._names = tuple(paths)
        self._exact: dict[str, AsyncGuard] = {}
        for path, guard in paths.items():
            # It would match no request, and leave unguarded what it was meant to guard.
            if not path.startswith("/") or re.search(r"[{}<>?%#]", path):
                raise ConfigurationError(
                    f"{path!r} guards nothing: give a path as it is requested, from the root, decoded and without parameters;"
                    " a route with parameters is guarded by middleware of its own",
                    check="U3",
                )
            if self._exact.setdefault(canonical_path(path), guard) is not guard:
                raise ConfigurationError(
                    f"{path!r} is guarded twice: some routers do not distinguish its two spellings", check="U3"
                )
        # The guards of requests that came. To find one costs 25 us, more than Starlette takes for a route.
        self._known: dict[tuple[str, bytes | None, str | None], AsyncGuard | None] = {}
        # Without the slash before it, because some routers cut a root path that does not end in one.
        self._endings = [
            (re.compile(re.escape(known.lstrip("/")) + _ENDING, re.DOTALL), guard) for known, guard in self._exact.items()
        ]

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def items(self) -> Iterator[tuple[str, AsyncGuard]]:
        """Yield each path as it was given, with its guard."""
        return ((path, self._exact[canonical_path(path)]) for path in self._names)

    @property
    def guards(self) -> tuple[AsyncGuard, ...]:
        """The guards, one for each path."""
        return tuple(self._exact.values())

    def guard_for(self, scope: MutableMapping[str, Any]) -> AsyncGuard | None:
        """Return the guard of a connection; None if its path is not guarded.

        Raises MalformedDelivery for a target that does not begin with a slash, and for a path that is not guarded as it
        stands and ends in the paths of several guards.
        """
        if not self._endings:
            return None
        came = scope["path"], scope.get("raw_path"), scope.get("root_path")
        try:
            return self._known[came]
        except KeyError:
            pass  # not the cause of errors below
        guard = self._find(scope)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        if sum(map(len, filter(None, came))) <= LONGEST_KNOWN:
            self._known[came] = guard
        return guard

    def _find(self, scope: MutableMapping[str, Any]) -> AsyncGuard | None:
        path: str = scope["path"]
        if not path.startswith("/") or (scope.get("raw_path") or b"/")[:1] != b"/":
            # Servers hand over the absolute form as it came, and what a router makes of it is its own affair.
            raise MalformedDelivery(f"the target {path[:200]!r} does not begin with a slash")
        if (exact := self._exact.get(canonical_path(_below_root(scope)))) is not None:
            return exact
        spelled = set().union(*map(spellings, _routable(scope)))
        found = {guard for ending, guard in self._endings if any(map(ending.search, spelled))}
        if len(found) > 1:
            raise MalformedDelivery(f"the path {path[:200]!r} ends in the paths of several guards")
        return found.pop() if found else None


def _below_root(scope: MutableMapping[str, Any]) -> str:
    """The path that routes are matched against: below the root path, which a mount or a proxy adds."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root + "/") else path


def _routable(scope: MutableMapping[str, Any]) -> set[str]:
    """The paths an application may route by: the path, the path as it came, and either below the root path that was cut off."""
    raw: bytes = scope.get("raw_path") or b""
    paths = {scope["path"], raw.partition(b"?")[0].decode("utf-8", "replace")}
    return paths | {scope.get("root_path", "") + path for path in paths}
