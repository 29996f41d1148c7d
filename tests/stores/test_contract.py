import asyncio
from contextlib import contextmanager

import pytest

from hookguard import MemoryStore, SQLiteStore
from hookguard.testing import StoreContract


class TestMemoryStore(StoreContract):
    def make_store(self, clock):
        return MemoryStore(clock=clock)


class TestSQLiteStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.clock = type(self).clock_of()
        self.store = SQLiteStore(tmp_path / "claims.sqlite3", clock=self.clock)
        yield
        self.store.close()

    @contextmanager
    def outage(self):
        connection = self.store._database.here().connection
        connection.execute("ALTER TABLE hookguard_claim RENAME TO out_of_reach")
        yield
        connection.execute("ALTER TABLE out_of_reach RENAME TO hookguard_claim")

    @staticmethod
    def clock_of():
        from hookguard.testing import FrozenClock

        return FrozenClock()

    def setup_method(self):
        """The fixture makes the store, in a folder of its own."""


class TestAwaitedSQLiteStore(TestSQLiteStore):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.clock = type(self).clock_of()
        self.blocking = SQLiteStore(tmp_path / "claims.sqlite3", clock=self.clock)
        self.store = self.blocking.awaited(asyncio.to_thread)
        yield
        self.blocking.close()

    @contextmanager
    def outage(self):
        connection = self.blocking._database.here().connection
        connection.execute("ALTER TABLE hookguard_claim RENAME TO out_of_reach")
        yield
        connection.execute("ALTER TABLE out_of_reach RENAME TO hookguard_claim")


class _Awaited:
    """A store behind coroutines, as an asynchronous backend would be."""

    def __init__(self, store):
        self._store = store
        self.capabilities = store.capabilities

    def __getattr__(self, name):
        call = getattr(self._store, name)

        async def awaited(*args, **kwargs):
            return call(*args, **kwargs)

        return awaited


class TestAnAsynchronousStore(StoreContract):
    def make_store(self, clock):
        return _Awaited(MemoryStore(clock=clock))


def test_the_contract_has_at_least_60_cases():
    assert len([name for name in dir(StoreContract) if name.startswith("test_")]) >= 60
