"""Claims in PostgreSQL, MySQL, MariaDB or SQLite through SQLAlchemy: each on its own, or in the handler's transaction."""

from hookguard.errors import ConfigurationError

try:
    import sqlalchemy as _sqlalchemy
except ImportError as missing:
    raise ConfigurationError("this store needs SQLAlchemy: pip install 'hookguard-webhooks[sqlalchemy]'") from missing

from hookguard.stores.sql.store import AsyncSQLStore, SQLStore, store_from_url
from hookguard.stores.sql.table import create_table, event_table
from hookguard.stores.sql.transaction import AsyncSQLTransactionStore, SQLTransactionStore

__all__ = [
    "AsyncSQLStore",
    "AsyncSQLTransactionStore",
    "SQLStore",
    "SQLTransactionStore",
    "create_table",
    "event_table",
    "store_from_url",
]

del _sqlalchemy
