"""Stores, one backend per file. Each follows the contract of :mod:`hookguard.store`."""

from hookguard.stores.memory import MemoryStore
from hookguard.stores.sqlite import SQLiteStore

__all__ = ["MemoryStore", "SQLiteStore"]
