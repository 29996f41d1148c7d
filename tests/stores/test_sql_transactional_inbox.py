"""A worker's handlers in transactional mode: whatever they do, an entry is done exactly if its effect is there, once."""

import asyncio
import time

import pytest

pytest.importorskip("sqlalchemy")

from sql_inbox_shops import DRIVERS, ENTRIES, awaited, inbox_shop
from sql_shops import SECRET, signed
from sqlalchemy import create_engine, text
from sqlalchemy.orm import sessionmaker
from test_sql_transactions import ANSWERS, answer_of, answers_422, commits, fresh_id, good, raises, rolls_back_and_writes_again
from waiting import SOON_OVER

from hookguard import Endpoint, GiveUp, Guard, Verifier
from hookguard.errors import ConfigurationError, MissingTable, StoreUnavailable
from hookguard.stores.sql import SQLTransactionStore


@pytest.fixture(scope="module", params=DRIVERS)
def shop(request, tmp_path_factory):
    made = inbox_shop(request.param, tmp_path_factory.mktemp("shop"))
    made.make_tables()
    yield made
    made.close()


@pytest.fixture(params=[False, True], ids=["orm", "core"])
def core(request):
    return request.param


@pytest.mark.parametrize("handler", ANSWERS, ids=lambda handler: handler.__name__)
def test_no_entry_is_done_without_its_effect(shop, handler, core):
    event_id = fresh_id()
    outcome = shop.send(event_id, handler, core=core)
    right = answer_of(handler, shop, core) == 200
    assert (outcome, shop.truth(event_id)) == (("handled", (1, True)) if right else ("failed", (0, False)))
    if not right:
        assert shop.entry(event_id).attempt == 1
        assert shop.handle(shop.take(event_id), good, core=core).outcome == "handled"
        assert shop.truth(event_id) == (1, True)
    assert shop.take(event_id) is None
    assert shop.put(event_id).status == 200
    assert len(shop.store._running) == 0
    assert shop.engine.pool.checkedout() == 0


# --- while the handler runs


def while_it_runs(shop, held, doing):
    """Handle an entry, and call ``doing`` while its handler is in the middle; the outcome."""

    async def waits(hand):
        await hand.write()
        # An awaited handler must leave the loop to the others.
        await asyncio.to_thread(doing) if hasattr(shop, "loop") else doing()
        return 200

    return shop.handle(held, waits)


def test_nobody_takes_an_entry_whose_lease_ends_while_it_is_handled(shop):
    mine, other = fresh_id(), fresh_id()
    for event_id in (mine, other):
        shop.put(event_id)
    held = shop.take(mine, lease=SOON_OVER)
    found = []

    def others():
        found.append(shop.take(mine))
        taken = shop.do(awaited(shop.inbox.take(shop.lane.lane, limit=5, lease=60.0, settings=shop.lane.settings)))
        found.extend(each.kept.key.id for each in taken)

    assert while_it_runs(shop, held, others).outcome == "handled"
    assert found == [None, other]
    assert shop.truth(mine) == (1, True)
    assert shop.entry(mine).crashes == 0


def test_a_duplicate_is_answered_while_its_entry_is_handled(shop):
    event_id = fresh_id()
    shop.put(event_id)
    replies = []
    outcome = while_it_runs(shop, shop.take(event_id), lambda: replies.append(shop.put(event_id)))
    assert outcome.outcome == "handled"
    assert [(reply.status, dict(reply.headers).get("Hookguard-Duplicate")) for reply in replies] == [(200, "1")]
    assert shop.truth(event_id) == (1, True)


def test_people_need_not_wait_for_an_entry_that_is_handled(shop):
    """Nor does the provider, whose duplicate would wait for them."""
    event_id = fresh_id()
    shop.put(event_id)
    store_key = shop.guard.endpoint.key(shop.guard.endpoint.verifier.verify(signed(event_id)))
    answers = []

    def people():
        keys = [shop.key(event_id)]
        answers.append(shop.do(awaited(shop.store.forget(store_key))))
        answers.append(shop.do(awaited(shop.inbox.rerun(keys, reason="a test", by="a test"))))
        answers.append(shop.do(awaited(shop.inbox.drop(keys, reason="a test", by="a test"))))

    assert while_it_runs(shop, shop.take(event_id), people).outcome == "handled"
    assert answers == [False, 0, 0]  # and no StoreUnavailable
    assert shop.truth(event_id) == (1, True)


def test_an_entry_is_not_forgotten_before_it_is_handled(shop):
    event_id = fresh_id()
    shop.put(event_id)
    key = shop.guard.endpoint.key(shop.guard.endpoint.verifier.verify(signed(event_id)))
    assert not shop.do(awaited(shop.store.forget(key)))
    assert shop.handle(shop.take(event_id), good).outcome == "handled"
    assert shop.do(awaited(shop.store.forget(key)))
    assert shop.send(event_id, good) == "handled"
    assert shop.truth(event_id) == (2, True)


# --- the lease is lost


def test_a_worker_that_was_late_runs_nothing(shop):
    event_id = fresh_id()
    shop.put(event_id)
    late = shop.take(event_id, lease=SOON_OVER)
    quick = shop.take(event_id)
    ran = []

    async def notes(hand):
        ran.append(hand.event_id)
        return await good(hand)

    outcome = shop.handle(late, notes)
    assert (outcome.outcome, outcome.reason_code, ran) == ("lease_lost", "lease_lost", [])
    assert shop.handle(quick, notes).outcome == "handled"
    assert (shop.truth(event_id), ran) == ((1, True), [event_id])
    assert shop.handle(late, notes).outcome == "lease_lost", "a done entry is not run once more"
    assert ran == [event_id]


def test_a_handler_that_loses_its_connection_loses_its_effect(shop):
    """Its server gives the entry away, and another worker handles it before the first one wants to commit."""
    event_id = fresh_id()
    shop.put(event_id)
    late = shop.take(event_id, lease=SOON_OVER)
    outcomes = []

    async def is_cut(hand):
        await hand.write()
        number = (await hand.execute(text(NUMBER[shop.dialect]))).scalar()
        with shop.plain.connect() as other:
            other.execute(text(CUT[shop.dialect].format(number)))
            other.commit()
        ends = time.monotonic() + 30
        while (quick := await take(shop, event_id)) is None:
            assert time.monotonic() < ends
        outcomes.append((await shop.ahandle(quick, good)).outcome)
        return 200

    outcomes.append(shop.handle(late, is_cut).outcome)
    assert outcomes[0] == "handled"
    assert outcomes[1] in ("lease_lost", "failed")
    assert shop.truth(event_id) == (1, True)
    assert shop.engine.pool.checkedout() == 0


NUMBER = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()"}
CUT = {"postgresql": "SELECT pg_terminate_backend({})", "mysql": "KILL {}"}


async def take(shop, event_id):
    return await awaited(shop.inbox.take_one(shop.key(event_id), lease=60.0, settings=shop.lane.settings))


@pytest.mark.parametrize("committed", [False, True])
def test_a_commit_whose_answer_gets_lost_is_asked_for(shop, committed, monkeypatch):
    event_id = fresh_id()
    finish = shop.store._work.finish

    def lost(running, steps):
        if committed:
            finish(running, steps)
        else:
            shop.store._work.abandon(running)
        raise StoreUnavailable("the answer got lost")

    monkeypatch.setattr(shop.store._work, "finish", lost)
    assert shop.send(event_id, good) == ("handled" if committed else "failed")
    monkeypatch.undo()
    if not committed:
        assert "the answer got lost" in shop.entry(event_id).reason
        assert shop.handle(shop.take(event_id), good).outcome == "handled"
    assert shop.truth(event_id) == (1, True)


# --- what is stored apart


def test_tries_and_reasons_outlive_the_rollback(shop):
    event_id = fresh_id()
    reasons = []
    shop.put(event_id)
    for handler in (raises, answers_422, commits):
        assert shop.handle(shop.take(event_id), handler).outcome == "failed"
        reasons.append(shop.entry(event_id).reason)
    assert reasons[:2] == ["handler_raised: ValueError: the handler's own mistake", "handler_status: the handler answered 422"]
    assert reasons[2].startswith("transaction_escaped: the handler committed the transaction")
    assert (shop.entry(event_id).attempt, shop.truth(event_id)) == (3, (0, False))


def test_a_handler_that_gives_up_leaves_a_dead_entry_and_no_effect(shop):
    event_id = fresh_id()

    async def gives_up(hand):
        await hand.write()
        raise GiveUp("this customer is gone")

    assert shop.send(event_id, gives_up) == "dead"
    assert (shop.entry(event_id).state.name, shop.truth(event_id)) == ("DEAD", (0, False))
    # Its provider sends it again, and by now the customer is back.
    assert shop.send(event_id, good) == "handled"
    assert shop.truth(event_id) == (1, True)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_the_guarantee_holds_at_every_isolation_level_from_the_inbox(driver, level, tmp_path):
    shop = inbox_shop(driver, tmp_path, isolation_level=level)
    shop.make_tables()
    event_id = fresh_id()
    assert shop.send(event_id, rolls_back_and_writes_again) == "failed"
    held = shop.take(event_id)
    assert while_it_runs(shop, held, lambda: shop.put(event_id)).outcome == "handled"
    assert shop.truth(event_id) == (1, True)
    shop.close()


@pytest.mark.parametrize("driver", [driver for driver in DRIVERS if "asyncmy" not in driver])
def test_an_engine_in_autocommit_runs_nothing(driver, tmp_path):
    shop = inbox_shop(driver, tmp_path, isolation_level="AUTOCOMMIT")
    shop.make_tables()
    event_id = fresh_id()
    assert shop.send(event_id, good) == "failed"
    assert "store_misconfigured: the session's engine is in AUTOCOMMIT mode" in shop.entry(event_id).reason
    assert shop.truth(event_id) == (0, False)
    shop.close()


def test_sqlite_behind_sqlalchemy_has_no_inbox(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db")
    store = SQLTransactionStore(sessionmaker(engine))
    with pytest.raises(ConfigurationError, match="an inbox in a SQLite file needs the SQLite store"):
        Guard(Endpoint(Verifier("stripe", [SECRET]), inbox=True), store)
    engine.dispose()


def test_sessions_without_an_engine_have_no_inbox():
    with pytest.raises(ConfigurationError, match="an inbox needs the engine of its store's sessions"):
        SQLTransactionStore(sessionmaker()).inbox()


def test_the_check_finds_that_the_table_of_the_inbox_is_missing(shop):
    assert shop.do(awaited(shop.store.check())) == []
    with shop.plain.begin() as connection:
        connection.execute(text(f"ALTER TABLE {ENTRIES} RENAME TO {ENTRIES}_away"))
    try:
        with pytest.raises(MissingTable, match="inbox=True"):
            shop.do(awaited(shop.store.check()))
    finally:
        with shop.plain.begin() as connection:
            connection.execute(text(f"ALTER TABLE {ENTRIES}_away RENAME TO {ENTRIES}"))
    shop.do(awaited(shop.store.create_table()))
