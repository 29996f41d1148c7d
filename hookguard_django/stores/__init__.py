"""Stores that Django brings the connection for. Importing them is safe in a settings module."""

from hookguard_django.stores.cache import CacheStore
from hookguard_django.stores.orm import ORMStore
from hookguard_django.stores.transaction import ORMTransactionStore

__all__ = ["CacheStore", "ORMStore", "ORMTransactionStore"]
