"""Stores, one backend a file. Each keeps the contract of :mod:`hookguard.store`."""

from hookguard.stores.memory import MemoryStore
from hookguard.stores.sqlite import SQLiteStore

__all__ = ["MemoryStore", "SQLiteStore"]
