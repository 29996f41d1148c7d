"""The contract of the inbox on each store that has one, blocking and awaited."""

import asyncio

import pytest

from hookguard import SQLiteStore
from hookguard.testing import FrozenClock, InboxContract


class TestSQLiteInbox(InboxContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.clock = FrozenClock()
        self.store = store = SQLiteStore(tmp_path / "claims.sqlite3", clock=self.clock)
        self.inbox = store.inbox()
        yield
        store.close()

    def setup_method(self):
        """The fixture makes the store, in a folder of its own."""


class TestAwaitedSQLiteInbox(TestSQLiteInbox):
    @pytest.fixture(autouse=True)
    def _awaited(self, _folder):
        self.store = self.store.awaited(asyncio.to_thread)
        self.inbox = self.store.inbox()


def test_the_contract_has_at_least_60_cases():
    assert sum(name.startswith("test_") for name in vars(InboxContract)) >= 60
