"""A delivery's headers: case-insensitive, read-only, every value kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeVar, Union, overload

from hookguard.errors import AmbiguousHeader, MalformedHeader
from hookguard.privacy.shown import printable

__all__ = ["CONTENT_TYPE", "Headers", "HeadersLike", "ReplaceableName", "SignedHeaders"]

T = TypeVar("T")

#: Sources of :class:`Headers`.
HeadersLike = Union["Headers", Mapping[str, str], Iterable[tuple[str, str]]]

#: Longest value that is read, in characters. Real signature headers stay under 1 KiB.
MAX_VALUE = 8192


class Headers(Mapping[str, str]):
    """Header values by case-insensitive name: a mapping, whose ``items()`` has one pair for each value.

    ``one`` is for headers that may appear once. It rejects a repeated header, because two readers could each check another of
    two signatures. ``-`` and ``_`` are different characters here: otherwise a sender could smuggle ``X_Hub_Signature`` past a
    proxy that strips ``X-Hub-Signature``.
    """

    __slots__ = ("_values",)

    _values: Mapping[str, Any]  # the value, or a list of values if a name came more than once, which is rare

    def __init__(self, source: HeadersLike = ()) -> None:
        if isinstance(source, Headers):
            self._values = source._values
            return
        if type(source) is dict or isinstance(source, Mapping):  # the first check is much faster, and usually true
            pairs: Iterable[tuple[str, str]] = source.items()
            size = len(source)
        else:
            pairs = list(source)
            size = len(pairs)
        values: dict[str, Any] = {name.lower(): value for name, value in pairs}
        if len(values) != size:
            pairs = _without_replaced(pairs)
            values = {}
            for name, value in pairs:
                values.setdefault(name.lower(), []).append(value)
            values = {name: found if len(found) > 1 else found[0] for name, found in values.items()}
        self._values = values

    @classmethod
    def from_wsgi(cls, environ: Mapping[str, Any]) -> Headers:
        """Read a WSGI environ (PEP 3333): ``HTTP_*`` and the two names without that prefix.

        Servers have already joined repeated headers with a comma. A header that may come once then has a value that matches no
        signature or number. A header that is a list by its layout is a longer list, in which one genuine item is enough.
        """
        headers = cls.__new__(cls)
        headers._values = _Environ(environ)
        return headers

    @classmethod
    def from_asgi(cls, raw: Iterable[tuple[bytes, bytes]]) -> Headers:
        """Read an ASGI scope's ``headers``: byte pairs, decoded as latin-1 as HTTP does."""
        pairs = raw if type(raw) is list else list(raw)
        values: dict[str, Any] = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}
        if len(values) != len(pairs):
            return cls((name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs)
        headers = cls.__new__(cls)
        headers._values = values
        return headers

    def one(self, name: str) -> str | None:
        """Return the only value of ``name``, stripped, or None if the header is missing.

        Raises AmbiguousHeader if it came more than once, MalformedHeader if it contains a control character or is longer
        than 8 KiB.
        """
        value = self._values.get(name.lower())
        if value is None:
            return None
        if type(value) is not str or len(value) > MAX_VALUE:
            self.whole(name)  # raises
        if not value.isprintable():
            raise MalformedHeader(f"the header {name!r} contains a control character", header=name)
        return value.strip(" ")

    def whole(self, name: str) -> str | None:
        """Return the only value of ``name`` exactly as it came: for a comparison of the whole value.

        Raises AmbiguousHeader if it came more than once, MalformedHeader if it is longer than 8 KiB.
        """
        # Schemes give names in lower case. To lower each name first would cost 2 % of verifying a small delivery.
        value = self._values.get(name)
        if value is None and (name.islower() or (value := self._values.get(name.lower())) is None):
            return None
        if type(value) is str and len(value) <= MAX_VALUE:
            return value
        if type(value) is list:
            count = len(value)
            raise AmbiguousHeader(f"the header {name!r} came {count} times; it may come once", header=name, count=count)
        size = len(value)
        reason = f"the header {name!r} is {size} characters long; at most {MAX_VALUE} are read"
        raise MalformedHeader(reason, header=name, size=size, limit=MAX_VALUE)

    def __getitem__(self, name: str) -> str:
        """Return the first value of ``name``; KeyError if the header is missing."""
        value = self._values[name.lower()]
        return value[0] if type(value) is list else value  # type: ignore[no-any-return]

    @overload
    def get(self, name: str, default: None = None) -> str | None: ...
    @overload
    def get(self, name: str, default: T) -> str | T: ...
    def get(self, name: str, default: Any = None) -> Any:
        """Return the first value of ``name``, or ``default``."""
        try:
            return self[name]
        except KeyError:
            return default

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of ``name``, in the order of arrival."""
        value = self._values.get(name.lower())
        if value is None:
            return ()
        return tuple(value) if type(value) is list else (value,)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._values.get(name.lower()) is not None

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, in lower case."""
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def items(self) -> list[tuple[str, str]]:  # type: ignore[override]  # a view would hide repeated names
        """Return every pair of name and value; a repeated name has one pair for each value."""
        return [(name, value) for name in self._values for value in self.all(name)]

    def __or__(self, other: HeadersLike) -> Headers:
        """Return both, with ``other``'s values where a name is in both, whatever its case: for tests that change a delivery."""
        if not isinstance(other, (Headers, Mapping)):
            return NotImplemented
        theirs = Headers(other)
        ours = Headers(self)
        return Headers([*(pair for pair in ours.items() if pair[0] not in theirs), *theirs.items()])

    def __ror__(self, other: HeadersLike) -> Headers:
        """Return both, with this object's values where a name is in both."""
        return NotImplemented if not isinstance(other, Mapping) else Headers(other) | self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return sorted(Headers(self).items()) == sorted(Headers(other).items())

    __hash__ = None  # type: ignore[assignment]  # equal headers may hold unhashable views of an environ

    def __repr__(self) -> str:
        # Values may be signatures or tokens: names only.
        return f"Headers({printable(', '.join(self))})"

    # Sentry's reporter uses this for mappings.
    __sentry_repr__ = __repr__


class SignedHeaders(Headers):
    """The headers of a delivery that ``sign`` made. They list its own Content-Type in this spelling, other names in lower case.

    People who sign in tests write ``{**dict(delivery.headers.items()), "Content-Type": …}``. In lower case, the name would be
    in that mapping twice, and servers reject a request with two. Where a mapping with both spellings gets back here, as in
    ``Delivery(body, {**…, "content-type": …})``, the caller's counts.
    """

    __slots__ = ()

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return (CONTENT_TYPE if name == "content-type" else name for name in self._values)

    def items(self) -> list[tuple[str, str]]:  # type: ignore[override]  # as above
        """Return every pair of name and value; a repeated name has one pair for each value."""
        return [(name, value) for name in self for value in self.all(name)]


class ReplaceableName(str):
    """A name that ``sign`` listed: the same name without this mark replaces it."""

    __slots__ = ()


#: The name of the Content-Type that ``sign`` chose, in its draft and in its delivery.
CONTENT_TYPE = ReplaceableName("Content-Type")


def _without_replaced(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the pairs without those whose name is listed again by the caller."""
    pairs = list(pairs)
    given = {name.lower() for name, _ in pairs if not isinstance(name, ReplaceableName)}
    return [(name, value) for name, value in pairs if not (isinstance(name, ReplaceableName) and name.lower() in given)]


class _Environ(Mapping[str, Any]):
    """A WSGI environ as a mapping of lower-case header names. Each is looked up on use, so unused headers cost nothing."""

    __slots__ = ("_environ",)

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._environ = environ

    def get(self, name: str, default: Any = None) -> Any:
        key = _key(name)
        value = self._environ.get(key, default)
        # Some servers set the two bare ones to "" when the sender sent none (PEP 3333 allows it).
        return default if value == "" and key in _BARE else value

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


# A delivery's headers are looked up 14 times, by names of presets. Spelling the keys each time cost 3 us of a request.
@lru_cache(maxsize=256)
def _key(name: str) -> str:
    """The key of a header in a WSGI environ; a key that no environ has for a name with an underscore."""
    if "_" in name:
        return "\0"  # never a hyphen, as everywhere else; the environ does not distinguish them
    key = name.upper().replace("-", "_")
    return key if key in _BARE else f"HTTP_{key}"
