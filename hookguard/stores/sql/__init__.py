"""Claims in PostgreSQL, MySQL, MariaDB or SQLite through SQLAlchemy: by leases, or in the handler's transaction."""

from importlib import import_module
from typing import TYPE_CHECKING

from hookguard.errors import ConfigurationError

try:
    import sqlalchemy as _sqlalchemy
except ImportError as missing:
    raise ConfigurationError("this store needs SQLAlchemy: pip install 'hookguard-webhooks[sqlalchemy]'", check="P2") from missing

from hookguard.stores.sql.delivery_table import delivery_table
from hookguard.stores.sql.from_url import store_from_url
from hookguard.stores.sql.store import SQLStore
from hookguard.stores.sql.table import create_table, event_table, inbox_table
from hookguard.stores.sql.transaction import SQLTransactionStore

if TYPE_CHECKING:
    from hookguard.stores.sql.async_store import AsyncSQLStore
    from hookguard.stores.sql.async_transaction import AsyncSQLTransactionStore

__all__ = [
    "AsyncSQLStore",
    "AsyncSQLTransactionStore",
    "SQLStore",
    "SQLTransactionStore",
    "create_table",
    "delivery_table",
    "event_table",
    "inbox_table",
    "store_from_url",
]

del _sqlalchemy

#: Imported at their first use: SQLAlchemy's asyncio needs greenlet, and the blocking stores do not.
_ASYNCHRONOUS = {"AsyncSQLStore": "async_store", "AsyncSQLTransactionStore": "async_transaction"}


def __getattr__(name: str) -> object:
    if name not in _ASYNCHRONOUS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import_module("greenlet")  # SQLAlchemy 2.0 misses it at the first use only
        return getattr(import_module(f"{__name__}.{_ASYNCHRONOUS[name]}"), name)
    except ImportError as error:
        raise ConfigurationError(f"{name} needs greenlet: pip install 'hookguard-webhooks[sqlalchemy]'", check="P2") from error
