"""Makes a store from its URL in the settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from hookguard.errors import ConfigurationError
from hookguard.store import AsyncStore, Store
from hookguard.stores.extras import install
from hookguard.stores.memory import MemoryStore
from hookguard.stores.sqlite import SQLiteStore

__all__ = ["sqlite_file", "store_at"]


def store_at(url: str, options: dict[str, Any]) -> Store | AsyncStore:
    """Return the store that a URL names. Raises ConfigurationError for an unknown kind of URL or a wrong option."""
    parts = _split(url)
    if parts.scheme == "memory":
        return _made(MemoryStore, (), options)
    if parts.scheme == "sqlite" and (file := sqlite_file(url)):
        return _made(SQLiteStore, (file,), options)
    # Stores that need an extra are imported only when a URL names them.
    if parts.scheme in ("redis", "rediss", "unix"):
        from hookguard.stores.redis import RedisStore  # noqa: PLC0415 - an extra

        return _made(RedisStore.from_url, (url,), options)
    if re.fullmatch(r"(postgresql|mysql|mariadb)(\+\w+)?|sqlite\+\w+", parts.scheme):
        try:
            from hookguard.stores.sql import store_from_url  # noqa: PLC0415 - an extra
        except ConfigurationError:
            # Its text does not know the URL, whose database has an extra of its own.
            raise ConfigurationError(f"store {parts.scheme}://…: SQLAlchemy is missing: {install(parts.scheme)}") from None
        return _made(store_from_url, (url,), options)
    if parts.scheme == "postgres":
        raise ConfigurationError("store postgres://…: SQLAlchemy reads this database's URLs as postgresql://…")
    # The URL may hold a password, so only its scheme is named.
    raise ConfigurationError(
        f"store {parts.scheme}://… is unknown: use memory://, sqlite:///path/to/file (four slashes if absolute), redis://,"
        " postgresql:// or mysql://"
    )


def sqlite_file(url: str) -> str | None:
    """Return the path in the URL of a SQLite store, with or without SQLAlchemy; None for any other URL."""
    parts = _split(url)
    kind, through, _ = parts.scheme.partition("+")
    path = unquote(parts.path[1:])
    if kind != "sqlite" or parts.netloc or (through and path.startswith("file:")):  # SQLite's own kind of URL
        return None
    return path or None


def _made(make: Callable[..., Store | AsyncStore], given: tuple[str, ...], options: dict[str, Any]) -> Store | AsyncStore:
    try:
        return make(*given, **options)
    except TypeError as error:
        # Without options the error is not about them.
        if not options:
            raise
        raise ConfigurationError(f"store: {error}: see the store's page for its options") from None


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        # The original text may quote the password.
        raise ConfigurationError("store: this URL cannot be read: percent-encode special characters in the password") from None
