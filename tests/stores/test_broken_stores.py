"""Negative controls: the stores in the folder ``broken`` are wrong in one way each. The contract must catch every one.

They are made from right stores: rows of the one in memory, statements of the SQL ones, scripts of the one in Redis. The right
ones go through the same checks, which must find nothing.
"""

import importlib
from pathlib import Path
from unittest import SkipTest

import pytest
import servers
from broken import errors, sql
from broken.rows import Broken

from hookguard import MemoryStore
from hookguard.testing import StoreContract

FOLDER = Path(__file__).parent / "broken"
CASES = sorted(name for name in dir(StoreContract) if name.startswith("test_"))

for file in FOLDER.glob("*.py"):
    if file.stem not in ("scripts", "rows"):  # the one needs Redis's client
        importlib.import_module(f"broken.{file.stem}")


def below(cls):
    return [found for sub in cls.__subclasses__() for found in (sub, *below(sub))]


IN_MEMORY = sorted(set(below(Broken)) - {errors.Right, errors.AnswersAtTheClaim}, key=lambda store: store.__name__)


def caught(make, *, purges=True, every=False):
    """The first case that finds fault with what ``make`` makes, or all of them; none for a right store."""

    class Contract(StoreContract):
        def make_store(self, clock):
            return make(clock)

        def outage(self):
            return self.store.outage() if hasattr(self.store, "outage") else None

    Contract.purges = purges
    found = []
    for case in CASES:
        contract = Contract()
        contract.setup_method()
        try:
            getattr(contract, case)()
        except SkipTest:
            pass
        except Exception as error:
            # Not only what the case itself says: a store may also break down under it.
            found.append((case, error))
        finally:
            if hasattr(contract.store, "close"):
                contract.store.close()
        if found and not every:
            break
    return found


def test_the_number_of_cases_is_large_enough():
    assert len(IN_MEMORY) >= 45
    assert len(sql.WRONG) >= 20
    assert len(CASES) >= 60


@pytest.mark.parametrize(
    "make",
    [lambda clock: MemoryStore(clock=clock), lambda clock: errors.Right(clock=clock), sql.SQLShaped],
    ids=["", "failing", "sql"],
)
def test_the_right_store_fails_no_case(make):
    assert caught(make, every=True) == []


@pytest.mark.parametrize("broken", IN_MEMORY, ids=lambda broken: broken.__name__)
def test_the_contract_catches(broken):
    assert caught(lambda clock: broken(clock=clock))


@pytest.mark.parametrize("wrong", sql.WRONG)
def test_the_contract_catches_wrong_sql(wrong):
    assert caught(lambda clock: sql.SQLShaped(clock, wrong))


@pytest.fixture
def scripts():
    pytest.importorskip("redis")
    servers.needs("Redis")
    from broken import scripts

    yield scripts
    scripts.forget_everything()


def test_the_right_scripts_fail_no_case(scripts):
    assert caught(scripts.RedisShaped, purges=False, every=True) == []


def test_the_contract_catches_wrong_scripts(scripts):
    missed = [
        wrong for wrong in scripts.WRONG if not caught(lambda clock, wrong=wrong: scripts.RedisShaped(clock, wrong), purges=False)
    ]
    assert missed == []
    assert len(scripts.WRONG) >= 15


@pytest.mark.parametrize(
    "broken", [kind for kind in IN_MEMORY if issubclass(kind, errors.Failing)], ids=lambda broken: broken.__name__
)
def test_a_fault_in_an_outage_is_found_by_an_outage_alone(broken):
    found = {case for case, _ in caught(lambda clock: broken(clock=clock), every=True)}
    assert found
    assert all("outage" in case for case in found)
