"""Keys that a provider publishes: certificates, key sets, keys behind an API. Fetched by the guard, checked by the scheme.

A scheme names the document it needs (:class:`Wanted`), and rejects an address that is not the provider's before anything is
fetched. A source returns the key from its cache, or fetches the document:

- over HTTPS only, without redirects, within bounds of size and time, and once for all concurrent callers;
- it is cached as long as the provider states (within bounds);
- it is fetched at most once a minute if it does not hold an id, and not for ten seconds after a fetch failed. Meanwhile the id is
  unknown, not invalid: 503, so that the provider retries;
- fetches that strangers can cause are limited: see :mod:`hookguard.fetch.budget`.

While fetches of a document fail, its last copy is used for one more hour. So an outage of the provider's key server does not
stop its deliveries, and a withdrawn key works for at most that hour.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from hookguard.errors import UntrustedKeySource

__all__ = ["AsyncKeySource", "KeyParser", "KeySource", "Wanted", "trusted_url"]

#: Parses a document: takes its bytes and the time (seconds since 1970), returns keys by their id. ValueError if the document
#: is malformed (503: the delivery may be genuine), a Rejected if it can be read and must not be trusted.
KeyParser = Callable[[bytes, float], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key to fetch, and the document that holds it. Only a scheme makes one, for an address it trusts.

    ``id`` is the key's name in the result of ``read``. ``body`` makes the fetch a POST of JSON, for providers whose keys are
    behind their API; it may hold a secret. ``absent`` are statuses that mean that the key does not exist, in contrast to a
    failed fetch. ``known`` means that strangers cannot make up the name: the provider has one address for all keys, or the
    operator listed it. Fetches of unknown names count against ``asked_by``, the sender's address.
    """

    url: str
    id: str
    read: KeyParser = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    absent: frozenset[int] = frozenset()
    known: bool = False
    asked_by: str = field(default="", repr=False, compare=False)


class KeySource(Protocol):
    """A blocking source of keys."""

    def get(self, wanted: Wanted) -> Any | None:
        """Return the key; None if its document does not hold it. VerificationUnavailable if the fetch failed."""


class AsyncKeySource(Protocol):
    """An asynchronous source of keys."""

    async def get(self, wanted: Wanted) -> Any | None:
        """Return the key; None if its document does not hold it. VerificationUnavailable if the fetch failed."""


def trusted_url(url: str, hosts: Collection[str] | re.Pattern[str], *, path: str | re.Pattern[str] = "/") -> str:
    """Return ``url`` if it is an HTTPS address on one of the hosts, under ``path``; raise UntrustedKeySource otherwise.

    ``hosts`` are names, or a pattern that must match the whole name; ``path`` is the beginning of the path, or a pattern
    that must match all of it. Two parsers may read an address with a port, a user, a fragment, a query, a backslash, ``..`` or
    unprintable or non-ASCII characters differently, so these are rejected.
    """
    match = _ADDRESS.fullmatch(url) if len(url) <= MAX_URL else None
    if match is None:
        raise UntrustedKeySource("the address of the key is not a plain https:// address")
    host, target = match["host"].lower(), match["path"]
    known = hosts.fullmatch(host) is not None if isinstance(hosts, re.Pattern) else host in hosts
    if not known:
        raise UntrustedKeySource(f"the key is at {host!r}, which is not the provider's host: nothing was fetched")
    below = path.fullmatch(target) is not None if isinstance(path, re.Pattern) else target.startswith(path)
    if not below or ".." in target:
        raise UntrustedKeySource(f"the key is at a path of {host!r} that does not hold the provider's keys: nothing was fetched")
    return url


#: Longest address that is accepted, in characters.
MAX_URL = 1024


_ADDRESS = re.compile(
    r"https://(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@/-]*)", re.ASCII
)
