"""The contract of records of deliveries, on each store that keeps them."""

import pytest

from hookguard import SQLiteStore
from hookguard.testing import EvidenceContract, FrozenClock


class TestSQLiteEvidence(EvidenceContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.clock = FrozenClock()
        self.store = SQLiteStore(tmp_path / "claims.sqlite3", clock=self.clock)
        self.evidence = self.store.evidence()
        yield
        self.store.close()

    def setup_method(self):
        """The fixture makes the store, in a folder of its own."""


def test_the_contract_has_at_least_25_cases():
    assert sum(name.startswith("test_") for name in vars(EvidenceContract)) >= 25
