"""A store from a database's URL, whichever kind its driver needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import URL

from hookguard.stores.sql.engines import full_url, telling
from hookguard.stores.sql.store import SQLStore

if TYPE_CHECKING:
    from hookguard.stores.sql.async_store import AsyncSQLStore

__all__ = ["store_from_url"]


def store_from_url(url: str | URL, **options: Any) -> SQLStore | AsyncSQLStore:
    """Return the store for a URL, asynchronous if its driver is. Raises ConfigurationError.

    ``options`` are those of ``from_url``.
    """
    full = full_url(url)
    with telling(full):
        waits = not full.get_dialect().is_async
    if waits:
        return SQLStore.from_url(full, **options)
    from hookguard.stores.sql.async_store import AsyncSQLStore  # noqa: PLC0415 - needs greenlet

    return AsyncSQLStore.from_url(full, **options)
