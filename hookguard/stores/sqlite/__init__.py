"""Claims in a SQLite file, through Python's own sqlite3."""

from hookguard.stores.sqlite.statements import SQL_TABLE, TABLE
from hookguard.stores.sqlite.store import SQLiteStore, check_file

__all__ = ["SQL_TABLE", "TABLE", "SQLiteStore", "check_file"]
