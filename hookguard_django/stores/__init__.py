"""Stores that use Django's own connections. A settings module may import them."""

from hookguard_django.stores.cache import CacheStore
from hookguard_django.stores.orm import ORMStore
from hookguard_django.stores.transaction import ORMTransactionStore

__all__ = ["CacheStore", "ORMStore", "ORMTransactionStore"]
