"""A delivery's headers: case-insensitive, read-only, every value kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Union

from hookguard.errors import AmbiguousHeader, MalformedHeader

__all__ = ["Headers", "HeadersLike"]

#: What :class:`Headers` can be made of.
HeadersLike = Union["Headers", Mapping[str, str], Iterable[tuple[str, str]]]

#: Longest value hookguard reads, in characters. Real signature headers stay under 1 KiB.
MAX_VALUE = 8192


class Headers:
    """Header values by case-insensitive name.

    ``one`` is for headers that may appear once: it refuses a repeated one, because which of two signatures was checked
    must never be a matter of who looks. ``-`` and ``_`` are different characters here: treating them as one lets a
    sender smuggle ``X_Hub_Signature`` past a proxy that strips ``X-Hub-Signature``.
    """

    __slots__ = ("_values",)

    _values: Mapping[str, Any]  # the value, or a list where a name came more than once: one value is by far the usual case

    def __init__(self, source: HeadersLike = ()) -> None:
        if isinstance(source, Headers):
            self._values = source._values
            return
        if type(source) is dict or isinstance(source, Mapping):  # the first is the usual case, and much quicker to tell
            pairs: Iterable[tuple[str, str]] = source.items()
            size = len(source)
        else:
            pairs = list(source)
            size = len(pairs)
        values: dict[str, Any] = {name.lower(): value for name, value in pairs}
        if len(values) != size:
            values = {}
            for name, value in pairs:
                values.setdefault(name.lower(), []).append(value)
            values = {name: found if len(found) > 1 else found[0] for name, found in values.items()}
        self._values = values

    @classmethod
    def from_wsgi(cls, environ: Mapping[str, Any]) -> Headers:
        """Read a WSGI environ (PEP 3333): ``HTTP_*`` and the two names without that prefix.

        Servers have already joined repeated headers with a comma there: what may come once is then another value, which no
        signature or number matches, and what is a list by its layout is a longer list, of which one genuine item is enough.
        """
        headers = cls.__new__(cls)
        headers._values = _Environ(environ)
        return headers

    @classmethod
    def from_asgi(cls, raw: Iterable[tuple[bytes, bytes]]) -> Headers:
        """Read an ASGI scope's ``headers``: byte pairs, decoded as latin-1 as HTTP does."""
        return cls((name.decode("latin-1"), value.decode("latin-1")) for name, value in raw)

    def one(self, name: str) -> str | None:
        """Return the only value of ``name`` (in lower case), stripped, or None when there is none.

        Raises AmbiguousHeader when it came more than once, MalformedHeader when it holds a control character or is
        longer than 8 KiB.
        """
        value = self.whole(name)
        if value is None:
            return None
        if not value.isprintable():
            raise MalformedHeader(f"header {name!r} holds a control character")
        return value.strip(" ")

    def whole(self, name: str) -> str | None:
        """Return the only value of ``name`` (in lower case) just as it came: for what is then compared from end to end.

        Raises AmbiguousHeader when it came more than once, MalformedHeader when it is longer than 8 KiB.
        """
        value = self._values.get(name)
        if type(value) is str and len(value) <= MAX_VALUE:
            return value
        if value is None:
            return None
        if type(value) is list:
            raise AmbiguousHeader(f"header {name!r} came {len(value)} times; it may come once")
        raise MalformedHeader(f"header {name!r} is {len(value)} characters long; at most {MAX_VALUE} are read")

    def __getitem__(self, name: str) -> str:
        """Return the first value of ``name``; KeyError when there is none."""
        value = self._values[name.lower()]
        return value[0] if type(value) is list else value  # type: ignore[no-any-return]

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value of ``name``, or ``default``."""
        try:
            return self[name]
        except KeyError:
            return default

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of ``name``, in the order they came."""
        value = self._values.get(name.lower())
        if value is None:
            return ()
        return tuple(value) if type(value) is list else (value,)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        """Go over the names, in lower case."""
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def items(self) -> list[tuple[str, str]]:
        """Return every pair; a repeated name comes once per value."""
        return [(name, value) for name in self._values for value in self.all(name)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return sorted(self.items()) == sorted(other.items())

    __hash__ = None  # type: ignore[assignment]  # equal headers may hold unhashable views of an environ

    def __repr__(self) -> str:
        # Values may be signatures or tokens: names only.
        return f"Headers({', '.join(self)})"


class _Environ(Mapping[str, Any]):
    """A WSGI environ seen as lower-case header names: looked up when asked, so that unused headers cost nothing."""

    __slots__ = ("_environ",)

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._environ = environ

    def get(self, name: str, default: Any = None) -> Any:
        if "_" in name:
            return default  # as everywhere else; here it cannot be told from a hyphen any more
        key = name.upper().replace("-", "_")
        if key in _BARE:
            # Some servers set these two to "" when the sender sent none (PEP 3333 allows it).
            return self._environ.get(key) or default
        return self._environ.get("HTTP_" + key, default)

    def __getitem__(self, name: str) -> Any:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        for key in self._environ:
            if key.startswith("HTTP_") and key[5:] not in _BARE:
                yield key[5:].replace("_", "-").lower()
            elif key in _BARE and self._environ[key]:
                yield key.replace("_", "-").lower()

    def __len__(self) -> int:
        return sum(1 for _ in self)


_BARE = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})
