"""Transactional mode on SQLAlchemy, whatever a handler does: never a 2xx without its effect, never an effect that is not done.

Every handler is run on each database by a blocking and an awaited driver, writing by Core and by the ORM, behind a guard
that is sent a signed delivery; and then behind a naive transaction, which must fail.
"""

import asyncio
import errno
import itertools
import threading
import time
from contextlib import suppress

import pytest

pytest.importorskip("sqlalchemy")

from sql_shops import DRIVERS, EVENTS, SECRET, Child, Effect, Shop, Taken, shop_for, signed
from sqlalchemy import create_engine, event, insert, select, text, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import scoped_session, sessionmaker

from hookguard.config import check_now
from hookguard.errors import StoreMisconfigured, StoreUnavailable, TransactionEscaped
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey
from hookguard.stores.sql import SQLTransactionStore, deadline

_number = itertools.count()


def fresh_id():
    return f"evt_{next(_number)}_{time.time_ns()}"


@pytest.fixture(scope="module", params=DRIVERS)
def shop(request, tmp_path_factory):
    made = shop_for(request.param, tmp_path_factory.mktemp("shop"))
    made.make_tables()
    yield made
    made.close()


@pytest.fixture(params=[False, True], ids=["orm", "core"])
def core(request):
    return request.param


# --- what handlers do


async def good(hand):
    await hand.write()
    return 200


async def swallows_a_database_error(hand):
    await hand.write()
    with suppress(DBAPIError):
        await hand.fail()
    return 200


async def swallows_it_and_rolls_back(hand):
    await hand.write()
    try:
        await hand.fail()
    except DBAPIError:
        await hand.rollback()
    return 200


async def rolls_back(hand):
    await hand.write()
    await hand.rollback()
    return 200


async def rolls_back_and_writes_again(hand):
    await hand.write()
    await hand.rollback()
    await hand.write()
    return 200


async def commits(hand):
    await hand.write()
    await hand.commit()
    return 200


async def commits_and_swallows_that_it_must_not(hand):
    await hand.write()
    with suppress(TransactionEscaped):
        await hand.commit()
    return 200


async def commits_the_connection(hand):
    await hand.write()
    await hand._((await hand.connection()).commit())
    return 200


async def commits_the_connection_and_swallows(hand):
    await hand.write()
    with suppress(TransactionEscaped):
        await hand._((await hand.connection()).commit())
    return 200


async def rolls_back_writes_and_commits_the_connection(hand):
    await hand.rollback()
    await hand.write()
    with suppress(TransactionEscaped):
        await hand._((await hand.connection()).commit())
    return 200


async def commits_from_within_a_savepoint(hand):
    await hand.write()
    async with hand.nested():
        await hand.commit()
    return 200


async def closes_the_session(hand):
    await hand.write()
    await hand.close()
    return 200


async def begins_once_more(hand):
    await hand.write()
    begun = hand.session.begin()
    if hasattr(begun, "__aenter__"):
        async with begun:
            pass
    return 200


async def raises(hand):
    await hand.write()
    raise ValueError("the handler's own mistake")


async def raises_a_database_error(hand):
    await hand.write()
    await hand.fail()
    return 200


async def answers_422(hand):
    await hand.write()
    return 422


async def fails_in_a_savepoint(hand):
    await hand.write()
    try:
        async with hand.nested():
            await hand.fail()
    except DBAPIError:
        pass
    return 200


async def writes_in_a_savepoint(hand):
    async with hand.nested():
        await hand.write()
    return 200


#: The sender's answers.
ANSWERS = {
    good: 200,
    swallows_a_database_error: None,  # see below
    swallows_it_and_rolls_back: 500,
    rolls_back: 500,
    rolls_back_and_writes_again: 500,
    commits: 500,
    commits_and_swallows_that_it_must_not: 500,
    commits_the_connection: 500,
    commits_the_connection_and_swallows: 500,
    rolls_back_writes_and_commits_the_connection: 500,
    commits_from_within_a_savepoint: 500,
    closes_the_session: 500,
    begins_once_more: 500,
    raises: 500,
    raises_a_database_error: 500,
    answers_422: 422,
    fails_in_a_savepoint: 200,
    writes_in_a_savepoint: 200,
}


def answer_of(handler, shop, core):
    if handler is swallows_a_database_error:
        # After an error PostgreSQL ends the transaction, and after one in a flush the ORM does; elsewhere the statement alone
        # is undone, the effect before it is there, and the handler has accepted that.
        return 500 if shop.dialect == "postgresql" or not core else 200
    return ANSWERS[handler]


def broken(shop, event_id, status):
    """The fault of an answer in words; empty for a right answer."""
    effects, done = shop.truth(event_id)
    if 200 <= status < 300 and (effects, done) != (1, True):
        return f"{status} with {effects} effects, {'done' if done else 'not done'}"
    if not done and effects:
        return f"{effects} effects of an event that is not done"
    return ""


@pytest.mark.parametrize("handler", ANSWERS, ids=lambda handler: handler.__name__)
def test_no_handler_is_answered_2xx_without_its_effect(shop, handler, core):
    event_id = fresh_id()
    status = shop.send(event_id, handler, core=core)
    assert broken(shop, event_id, status) == ""
    assert status == answer_of(handler, shop, core)
    # The provider tries again, by then the handler is mended; and once more, because an answer got lost.
    assert [shop.send(event_id, good, core=core) for _ in range(2)] == [200, 200]
    assert shop.truth(event_id) == (1, True)


def test_a_constraint_that_fails_at_the_commit_is_not_answered_2xx(shop, core):
    if shop.dialect == "mysql":
        pytest.skip("MySQL checks every constraint at once")
    if shop.dialect == "sqlite":
        make_child(shop)

    async def refers_to_nothing(hand):
        await hand.write()
        await hand.execute(insert(Child).values(parent=404))
        return 200

    event_id = fresh_id()
    status = shop.send(event_id, refers_to_nothing, core=core)
    assert (status, shop.truth(event_id)) == (500, (0, False))
    assert shop.send(event_id, good, core=core) == 200
    assert shop.truth(event_id) == (1, True)


def make_child(shop):
    async def make(hand):
        await hand._(hand.session.connection())  # SQLite's tables are made in the transaction of the event
        await hand.execute(
            text(
                "CREATE TABLE IF NOT EXISTS hookguard_shop_child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES hookguard_shop_taken (id) DEFERRABLE INITIALLY DEFERRED)"
            )
        )
        return 200

    assert shop.send(fresh_id(), make) == 200


# --- the negative control


class Naive:
    """Claim, handle, commit, answer: what most would write, and what a library must not."""

    capabilities = Capabilities(durable=True, shared=True, transactional=True, may_forget=False, clock="server", blocking=True)

    def __init__(self, sessions, *, table):
        self.sessions = sessions
        self.session = None

    def claim(self, key, *, token, fingerprint, lease, retention):
        self.session = self.sessions()
        known = self.session.execute(text(f"SELECT 1 FROM {EVENTS} WHERE id = :id"), {"id": key.idempotency_key}).first()
        if known:
            self.session.close()
            return Claim(ClaimStatus.DONE)
        self.session.execute(
            text(
                f"INSERT INTO {EVENTS} (id, scope, event_id, state, token, fingerprint, claimed_at, lease_until, expires_at, attempt)"
                " VALUES (:id, :scope, :event_id, 2, :token, :fingerprint, 0, 0, 0, 1)"
            ),
            {"id": key.idempotency_key, "scope": key.scope, "event_id": key.id, "token": token, "fingerprint": fingerprint},
        )
        return Claim(ClaimStatus.ACQUIRED)

    def complete(self, key, *, token, retention, reply=None):
        try:
            self.session.commit()
        except SQLAlchemyError:
            self.session.rollback()
        return True

    def release(self, key, *, token):
        self.session.rollback()
        return True


def test_a_naive_transaction_loses_events(tmp_path):
    made = Shop("postgresql+psycopg", tmp_path, Naive)
    made.make_tables()
    found = {}
    for handler in ANSWERS:
        event_id = fresh_id()
        if problem := broken(made, event_id, made.send(event_id, handler, core=True)):
            found[handler] = problem
    made.close()
    lost = {handler for handler, problem in found.items() if problem == "200 with 0 effects, not done"}
    assert lost >= {swallows_a_database_error, swallows_it_and_rolls_back, rolls_back, closes_the_session}
    assert found[rolls_back_and_writes_again] == "200 with 1 effects, not done"
    assert good not in found


# --- together


def test_a_duplicate_is_answered_while_the_first_one_runs(shop):
    """Ordered by events and not by the clock: the handler does not end before the duplicate has its answer."""
    event_id = fresh_id()
    inside, answered = threading.Event(), threading.Event()
    statuses = {}

    async def waits(hand):
        await hand.write()
        inside.set()
        # An awaited handler must leave the loop to the duplicate.
        waited = await asyncio.to_thread(answered.wait, 30) if hasattr(shop, "loop") else answered.wait(30)
        return 200 if waited else 500

    first = threading.Thread(target=lambda: statuses.update(first=shop.send(event_id, waits)))
    first.start()
    assert inside.wait(30)
    assert [shop.send(event_id, good) for _ in range(3)] == [503] * 3
    if shop.dialect != "sqlite":  # which has one writer at a time
        assert shop.send(fresh_id(), good) == 200
    with pytest.raises(StoreUnavailable, match="is being handled"):
        _forget(shop, event_id)
    assert first.is_alive()
    answered.set()
    first.join(30)
    assert statuses == {"first": 200}
    assert shop.send(event_id, good) == 200
    assert shop.truth(event_id) == (1, True)


def _key(event_id, shop):
    return shop.guard.endpoint.key(shop.guard.endpoint.verifier.verify(signed(event_id)))


def _forget(shop, event_id):
    found = shop.store.forget(_key(event_id, shop))
    return shop.loop.run(found) if asyncio.iscoroutine(found) else found


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_duplicate_in_another_process_waits_for_the_first(driver, tmp_path):
    """Two stores that know nothing of each other, as in two processes; SQLite's second one waits for the file, not for ever."""
    options = {"connect_args": {"timeout": 0.2}} if "sqlite" in driver else {}
    here, there = (shop_for(driver, tmp_path, **options) for _ in range(2))
    here.make_tables()
    event_id = fresh_id()
    inside, answered = threading.Event(), threading.Event()
    statuses = []

    async def waits(hand):
        await hand.write()
        inside.set()
        waited = await asyncio.to_thread(answered.wait, 30) if hasattr(here, "loop") else answered.wait(30)
        return 200 if waited else 500

    first = threading.Thread(target=lambda: statuses.append(here.send(event_id, waits)))
    first.start()
    assert inside.wait(30)
    statuses.append(there.send(event_id, good))
    assert first.is_alive()
    answered.set()
    first.join(30)
    statuses.append(there.send(event_id, good))
    assert statuses == [503, 200, 200]
    assert here.truth(event_id) == (1, True)
    here.close()
    there.close()


def test_many_concurrent_duplicates_make_one_effect_each(shop):
    events = [fresh_id() for _ in range(8)]
    statuses = []

    def provider(event_id):
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            if shop.send(event_id, good) == 200:
                statuses.append(event_id)
                break
            time.sleep(0.01)  # a provider waits before it sends again; one that does not keeps the winner from the CPU

    # Fewer than the pool has connections: who waits for one is not what is tried here.
    racing = [threading.Thread(target=provider, args=(event_id,)) for event_id in events[:4] * 3]
    for each in racing:
        each.start()
    for each in racing:
        each.join(90)
    assert sorted(statuses) == sorted(events[:4] * 3)
    assert [shop.truth(event_id) for event_id in events[:4]] == [(1, True)] * 4


def test_an_event_can_be_forgotten_purged_and_run_again(shop):
    event_id = fresh_id()
    assert shop.send(event_id, good) == 200
    assert _forget(shop, event_id)
    assert not _forget(shop, event_id)
    assert shop.send(event_id, good) == 200
    assert shop.truth(event_id) == (2, True)
    purged = shop.store.purge(limit=5)
    assert (shop.loop.run(purged) if asyncio.iscoroutine(purged) else purged) == 0
    checked = shop.store.check()
    assert (shop.loop.run(checked) if asyncio.iscoroutine(checked) else checked) == []


# --- isolation, locks and sessions


def test_a_serialization_failure_at_the_commit_is_503(tmp_path):
    for driver in ("postgresql+psycopg", "postgresql+asyncpg"):
        shop = shop_for(driver, tmp_path, isolation_level="SERIALIZABLE")
        shop.make_tables()
        plain = shop_for("postgresql+psycopg", tmp_path, isolation_level="SERIALIZABLE")
        event_id = fresh_id()

        async def reads_what_another_writes(hand, plain=plain):
            await hand.execute(select(Effect.id).where(Effect.event_id == "theirs"))
            await hand.write()
            with plain.sessions.begin() as other:
                other.execute(select(Effect.id).where(Effect.event_id == hand.event_id)).all()
                other.add(Effect(event_id="theirs"))
            return 200

        # Each read what the other wrote: one of the two must give way, and it is the later one.
        assert shop.send(event_id, reads_what_another_writes) == 503
        assert shop.truth(event_id) == (0, False)
        assert shop.send(event_id, good) == 200
        assert shop.truth(event_id) == (1, True)
        plain.close()
        shop.close()


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "mysql+pymysql"])
@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_the_guarantee_holds_at_every_isolation_level(driver, level, tmp_path):
    shop = shop_for(driver, tmp_path, isolation_level=level)
    shop.make_tables()
    events = [fresh_id() for _ in range(3)]

    def provider(event_id):
        while shop.send(event_id, good) != 200:
            pass

    racing = [threading.Thread(target=provider, args=(event_id,)) for event_id in events * 4]
    for each in racing:
        each.start()
    for each in racing:
        each.join(90)
    assert [shop.truth(event_id) for event_id in events] == [(1, True)] * 3
    shop.close()


def test_a_lock_that_mysql_does_not_give_in_time_is_503(tmp_path):
    shop = shop_for("mysql+pymysql", tmp_path)
    shop.make_tables()
    event_id = fresh_id()

    async def waits_for_a_row(hand):
        await hand.execute(text("SET innodb_lock_wait_timeout = 1"))
        await hand.write()
        hand.session.add(Taken(id=7))  # written by the flush before the commit
        return 200

    with shop.sessions() as other:
        other.add(Taken(id=7))
        other.flush()
        assert shop.send(event_id, waits_for_a_row) == 503
    assert shop.truth(event_id) == (0, False)
    assert shop.send(event_id, waits_for_a_row) == 200
    assert shop.truth(event_id) == (1, True)
    shop.close()


def test_a_deadlock_that_undoes_the_whole_transaction_is_not_answered_2xx(tmp_path):
    """MySQL rolls everything back, the claim as well, and a handler that swallows that goes on with an empty hand."""
    shop = shop_for("mysql+pymysql", tmp_path)
    shop.make_tables()
    with shop.sessions.begin() as session:
        session.add_all([Taken(id=number) for number in range(10, 40)])
    locked = threading.Event()

    def other():
        with shop.sessions() as session:
            # More rows than the handler has changed: InnoDB gives up the one that did less.
            for number in range(11, 40):
                session.execute(update(Taken).where(Taken.id == number).values(id=number + 100))
            locked.set()
            session.execute(update(Taken).where(Taken.id == 10).values(id=110))

    async def deadlocks(hand):
        await hand.write()
        await hand.execute(update(Taken).where(Taken.id == 10).values(id=110))
        thread.start()
        locked.wait(30)
        with pytest.raises(DBAPIError, match="1213"):
            await hand.execute(update(Taken).where(Taken.id == 11).values(id=111))
        return 200

    thread = threading.Thread(target=other)
    event_id = fresh_id()
    status = shop.send(event_id, deadlocks, core=True)
    thread.join(30)
    assert (status, shop.truth(event_id)) == (500, (0, False))
    shop.close()


@pytest.mark.parametrize("driver", ["sqlite+pysqlite", "sqlite+aiosqlite"])
def test_sqlite_waits_for_its_turn_and_may_read_before_it_writes(driver, tmp_path):
    shop = shop_for(driver, tmp_path)
    shop.make_tables()
    other = create_engine(f"sqlite:///{tmp_path}/claims.db")
    event_id, started = fresh_id(), threading.Event()
    writing = other.raw_connection()
    writing.driver_connection.execute("BEGIN IMMEDIATE")
    writing.driver_connection.execute("INSERT INTO hookguard_shop_taken VALUES (99)")
    statuses = []

    async def reads_and_writes(hand):
        # Begun as a reader, this transaction could not write any more once another one had.
        assert (await hand.execute(select(Taken.id).where(Taken.id == 99))).scalar() == 99
        await hand.write()
        return 200

    def deliver():
        started.set()
        statuses.append(shop.send(event_id, reads_and_writes))

    sender = threading.Thread(target=deliver)
    sender.start()
    started.wait(10)
    writing.driver_connection.commit()
    sender.join(30)
    assert statuses == [200]
    # A duplicate of what is done does not wait for a writer at all.
    writing.driver_connection.execute("BEGIN IMMEDIATE")
    assert shop.send(event_id, good) == 200
    writing.driver_connection.rollback()
    writing.close()
    other.dispose()
    shop.close()


@pytest.mark.parametrize("level", ["AUTOCOMMIT", None])
def test_sqlite_in_autocommit_is_in_a_transaction_all_the_same(level, tmp_path):
    shop = shop_for("sqlite+pysqlite", tmp_path, isolation_level=level)
    shop.make_tables()
    event_id = fresh_id()
    assert shop.send(event_id, raises) == 500
    assert shop.truth(event_id) == (0, False)
    assert shop.send(event_id, good) == 200
    shop.close()


@pytest.mark.parametrize("driver", [driver for driver in DRIVERS if "sqlite" not in driver])
def test_an_engine_in_autocommit_is_rejected(driver, tmp_path):
    shop = shop_for(driver, tmp_path, isolation_level="AUTOCOMMIT")
    shop.make_tables()
    with pytest.raises(StoreMisconfigured, match="AUTOCOMMIT"):
        claimed = shop.store.claim(StoreKey("s", "1"), token=b"t" * 16, fingerprint=b"f", lease=60, retention=60)
        shop.loop.run(claimed)
    shop.close()


def test_a_scoped_session_may_have_been_read_but_not_written(tmp_path):
    shop = Shop("sqlite+pysqlite", tmp_path)
    shop.make_tables()
    sessions = scoped_session(sessionmaker(shop.engine))
    store = SQLTransactionStore(sessions, table=EVENTS)
    ask = {"fingerprint": b"f", "lease": 60, "retention": 60}
    sessions().scalars(select(Taken)).all()
    assert store.claim(StoreKey("s", "1"), token=b"a" * 16, **ask).status == ClaimStatus.ACQUIRED
    assert store.session is sessions()
    assert store.complete(StoreKey("s", "1"), token=b"a" * 16, retention=60)
    sessions().add(Effect(event_id="before"))
    with pytest.raises(StoreMisconfigured, match="changes from before the claim"):
        store.claim(StoreKey("s", "2"), token=b"a" * 16, **ask)
    sessions.remove()
    with pytest.raises(RuntimeError, match="no webhook is being handled here"):
        _ = store.session
    shop.close()


@pytest.mark.parametrize("make", [lambda maker: maker, scoped_session], ids=["sessionmaker", "scoped_session"])
def test_the_store_is_named_by_its_database_and_knows_whose_clock_counts(make, tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db")
    store = SQLTransactionStore(make(sessionmaker(engine)), table=EVENTS)
    assert repr(store) == f"SQLTransactionStore(sqlite:///{tmp_path}/shop.db, table='{EVENTS}')"
    assert store.capabilities.clock == "client", "SQLite has no server"
    assert store.capabilities.transactional
    server = create_engine("postgresql+psycopg://shop:a-password@db.example/shop")
    elsewhere = SQLTransactionStore(make(sessionmaker(server)))
    assert repr(elsewhere) == "SQLTransactionStore(postgresql+psycopg://shop:***@db.example/shop, table='hookguard_event')"
    assert elsewhere.capabilities.clock == "server"
    engine.dispose()


def test_a_missing_table_is_logged_with_its_database(tmp_path, caplog):
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db")
    sessions = sessionmaker(engine)

    def session_of_the_day():
        return sessions()

    store = SQLTransactionStore(session_of_the_day)
    assert repr(store) == "SQLTransactionStore(session_of_the_day, table='hookguard_event')", "not known before the first session"
    check_now(store)
    assert f"SQLTransactionStore(sqlite:///{tmp_path}/shop.db, table='hookguard_event') has no table" in caplog.text
    assert store.capabilities.clock == "client"
    engine.dispose()


def test_the_number_of_listeners_does_not_grow(shop):
    for _ in range(3):
        shop.send(fresh_id(), good)
        shop.send(fresh_id(), raises)
    assert shop.store._running == {}
    assert shop.store._work._busy == set()


# --- a second database


@pytest.mark.parametrize("swallow", [False, True])
@pytest.mark.parametrize("when", ["in the handler", "in the last flush"])
@pytest.mark.parametrize("driver", ["sqlite+pysqlite", "sqlite+aiosqlite"])
def test_a_session_that_reaches_a_second_database_is_rejected(driver, when, swallow, tmp_path):
    (tmp_path / "other").mkdir()
    shop, other = shop_for(driver, tmp_path), shop_for(driver, tmp_path / "other")
    for made in (shop, other):
        made.make_tables()
    shop.sessions.configure(binds={Effect: getattr(other, "async_engine", other.engine)})
    raised = []

    async def writes(hand):
        hand.session.add(Effect(event_id=hand.event_id))
        if when == "in the handler":
            for _ in range(2):
                try:
                    await hand._(hand.session.flush())
                except TransactionEscaped as error:
                    raised.append(error)
                    if not swallow:
                        raise
        return 200

    event_id = fresh_id()
    assert [shop.send(event_id, writes) for _ in range(2)] == [500, 500]
    assert bool(raised) is (when == "in the handler")
    shop.sessions.configure(binds={})
    assert [made.truth(event_id) for made in (shop, other)] == [(0, False), (0, False)]
    # Without it the event is handled as usual, and the other database has no writer that was left behind.
    assert shop.send(event_id, good) == 200
    assert other.send(event_id, good) == 200
    assert [made.truth(event_id) for made in (shop, other)] == [(1, True), (1, True)]
    shop.close()
    other.close()


def test_a_commit_after_the_second_database_was_rejected_writes_nothing_there(tmp_path):
    (tmp_path / "other").mkdir()
    shop, other = shop_for("sqlite+pysqlite", tmp_path), shop_for("sqlite+pysqlite", tmp_path / "other")
    for made in (shop, other):
        made.make_tables()
    shop.sessions.configure(binds={Effect: other.engine})

    async def goes_on(hand):
        statement = insert(Effect).values(event_id=hand.event_id)
        for _ in range(2):
            with suppress(TransactionEscaped):
                hand.session.execute(statement)
        with suppress(TransactionEscaped):
            hand.session.commit()
        return 200

    event_id = fresh_id()
    assert shop.send(event_id, goes_on) == 500
    shop.sessions.configure(binds={})
    assert [made.truth(event_id) for made in (shop, other)] == [(0, False), (0, False)]
    shop.close()
    other.close()


# --- when the machine has nothing to spare, and when nobody waits


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "mysql+pymysql"])
def test_a_process_out_of_file_descriptors_rolls_back_all_the_same(driver, tmp_path, monkeypatch):
    shop = shop_for(driver, tmp_path)
    shop.make_tables()

    def exhausted(_):
        raise OSError(errno.EMFILE, "Too many open files")

    async def runs_out(hand):
        await hand.write()
        monkeypatch.setattr(deadline.os, "dup", exhausted)
        raise ValueError

    event_id = fresh_id()
    assert shop.send(event_id, runs_out) == 500
    assert shop.engine.pool.checkedout() == 0
    assert shop.send(event_id, good) == 200
    monkeypatch.undo()
    assert shop.truth(event_id) == (1, True)
    shop.close()


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "mysql+asyncmy", "sqlite+aiosqlite"])
def test_a_release_within_a_cancelled_scope_rolls_back_and_keeps_the_connection(driver, tmp_path):
    anyio = pytest.importorskip("anyio")
    shop = shop_for(driver, tmp_path)
    shop.make_tables()
    lost = []
    event.listen(shop.engine, "invalidate", lambda *_: lost.append(True))
    key = StoreKey("s", fresh_id())

    async def leave():
        await shop.store.claim(key, token=b"t" * 16, fingerprint=b"f", lease=60, retention=60)
        session = shop.store.session
        with anyio.CancelScope() as scope:
            scope.cancel()
            await shop.store.release(key, token=b"t" * 16)
        await asyncio.gather(*shop.store._leaving)
        return session.in_transaction()

    assert shop.loop.run(leave()) is False
    assert lost == []
    assert shop.engine.pool.checkedout() == 0
    shop.close()


# --- behind the plugins


def test_a_flask_view_writes_in_the_stores_transaction(tmp_path):
    flask = pytest.importorskip("flask")
    from hookguard_flask import HookGuard

    shop = Shop("postgresql+psycopg", tmp_path)
    shop.make_tables()
    app = flask.Flask("shop")
    app.config["HOOKGUARD_ENDPOINTS"] = {"stripe": {"secrets": [SECRET]}}
    app.config["HOOKGUARD_STORE"] = shop.store
    hooks = HookGuard(app)

    @app.post("/hook")
    @hooks.guard("stripe")
    def stripe():
        from hookguard_flask import current_webhook

        session = shop.store.session
        session.add(Effect(event_id=current_webhook.id))
        session.flush()
        how = current_webhook.json().get("how")
        if how == "swallow":
            with suppress(DBAPIError):
                session.execute(insert(Taken).values(id=1))
        elif how:
            getattr(session, how)()
        return "", 204

    def post(event_id, **fields):
        delivery = signed(event_id, **fields)
        return app.test_client().post("/hook", data=delivery.body, headers=list(delivery.headers.items())).status_code

    for how in ("swallow", "rollback", "commit", "close"):
        event_id = fresh_id()
        assert (how, post(event_id, how=how)) == (how, 500)
        assert shop.truth(event_id) == (0, False)
        assert [post(event_id) for _ in range(2)] == [204, 200]
        assert shop.truth(event_id) == (1, True)
    shop.close()


def test_a_starlette_handler_writes_in_the_stores_transaction(tmp_path):
    pytest.importorskip("starlette")
    httpx = pytest.importorskip("httpx")
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    from hookguard_starlette import HookGuard

    shop = shop_for("postgresql+asyncpg", tmp_path)
    shop.make_tables()
    hooks = HookGuard({"stripe": {"secrets": [SECRET]}}, store=shop.store)

    async def stripe(request):
        event, session = request.state.webhook, shop.store.session
        session.add(Effect(event_id=event.id))
        await session.flush()
        how = event.json().get("how")
        if how == "swallow":
            with suppress(DBAPIError):
                await session.execute(insert(Taken).values(id=1))
        elif how:
            await getattr(session, how)()
        return Response(status_code=204)

    app = Starlette(routes=[Route("/hook", stripe, methods=["POST"], middleware=[hooks.middleware("stripe")])])

    async def apost(event_id, **fields):
        delivery = signed(event_id, **fields)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as sender:
            answer = await sender.post("/hook", content=delivery.body, headers=list(delivery.headers.items()))
            return answer.status_code

    for how in ("swallow", "rollback", "commit", "close"):
        event_id = fresh_id()
        assert (how, shop.loop.run(apost(event_id, how=how))) == (how, 500)
        assert shop.truth(event_id) == (0, False)
        assert [shop.loop.run(apost(event_id)) for _ in range(2)] == [204, 200]
        assert shop.truth(event_id) == (1, True)
    shop.close()
