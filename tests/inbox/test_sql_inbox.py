"""The contract of the inbox in PostgreSQL and MariaDB, by every driver; and what is theirs alone."""

import asyncio
import gc
import json
import re
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("sqlalchemy")

from loops import Loop
from paid_entries import LANE, SETTINGS, kept, live, states, take
from sql_urls import AsyncSQLStore, SQLStore, async_engine, engine, url
from sqlalchemy import event, text

from hookguard import Endpoint, Verifier
from hookguard.errors import ConfigurationError, MissingTable, StoreMisconfigured, StoreUnavailable
from hookguard.guard.bridge import call_inline
from hookguard.guard.flows import put_of
from hookguard.inbox.contract import CRASHES, EntryState, Lane, PutStatus
from hookguard.inbox.settings import InboxSettings
from hookguard.store import ClaimStatus, StoreKey
from hookguard.stores.inbox_check import mysql_problem
from hookguard.stores.inbox_completions import Completion
from hookguard.stores.inbox_puts import all_put
from hookguard.stores.sql import create_table
from hookguard.stores.sql.sharing import Sharing
from hookguard.testing import InboxContract

TABLES = ("hookguard_boxed_event", "hookguard_boxed_inbox")
BLOCKING = ("postgresql+psycopg", "mysql+pymysql")
AWAITED = ("postgresql+asyncpg", "postgresql+psycopg_async", "mysql+asyncmy")


def drop_tables(made):
    with made.begin() as connection:
        for table in TABLES:
            connection.execute(text(f"DROP TABLE IF EXISTS {table}"))


def fresh_tables(made):
    drop_tables(made)
    create_table(made, TABLES[0], inbox=True)


class BlockingInbox(InboxContract):
    driver = ""

    @classmethod
    def setup_class(cls):
        cls.engine = engine(cls.driver, None)
        fresh_tables(cls.engine)

    @classmethod
    def teardown_class(cls):
        cls.engine.dispose()

    def make_store(self, clock):
        with self.engine.begin() as connection:
            for table in TABLES:
                connection.execute(text(f"DELETE FROM {table}"))
        return SQLStore(self.engine, table=TABLES[0], clock=clock, timeout=20)


class AwaitedInbox(InboxContract):
    driver = ""

    @classmethod
    def setup_class(cls):
        cls.loop = Loop()
        made = engine(
            cls.driver.replace("asyncpg", "psycopg").replace("psycopg_async", "psycopg").replace("asyncmy", "pymysql"), None
        )
        fresh_tables(made)
        made.dispose()
        cls.engine = async_engine(cls.driver, None)

    @classmethod
    def teardown_class(cls):
        cls.loop.run(cls.engine.dispose())
        cls.loop.close()

    def make_store(self, clock):
        self.loop.run(self.empty())
        return AsyncSQLStore(self.engine, table=TABLES[0], timeout=20, clock=clock)

    async def empty(self):
        async with self.engine.begin() as connection:
            for table in TABLES:
                await connection.execute(text(f"DELETE FROM {table}"))

    def do(self, result):
        return self.loop.run(result)


class TestPsycopg(BlockingInbox):
    driver = "postgresql+psycopg"


class TestPyMySQL(BlockingInbox):
    driver = "mysql+pymysql"


class TestAsyncpg(AwaitedInbox):
    driver = "postgresql+asyncpg"


class TestAsyncPsycopg(AwaitedInbox):
    driver = "postgresql+psycopg_async"


class TestAsyncmy(AwaitedInbox):
    driver = "mysql+asyncmy"


def test_every_driver_has_its_contract():
    tried = {cls.driver for base in (BlockingInbox, AwaitedInbox) for cls in base.__subclasses__()}
    assert tried == {*BLOCKING, *AWAITED}


# --- what is not the contract's


@pytest.fixture(params=BLOCKING)
def made(request):
    """An engine to a database without the tables."""
    made = engine(request.param, None)
    drop_tables(made)
    yield made
    drop_tables(made)
    made.dispose()


@pytest.fixture
def store(made):
    """A store as an application makes it: with a pool of its own, and the server's clock."""
    store = SQLStore.from_url(made.url, table=TABLES[0], timeout=20)
    yield store
    store.close()


def test_an_entry_lives_by_the_server_s_clock(store):
    live(store.inbox())
    assert store.check() == []


@pytest.mark.parametrize("driver", AWAITED)
def test_an_entry_lives_by_the_server_s_clock_with_an_asynchronous_driver(driver):
    blocking = engine(BLOCKING["mysql" in driver], None)
    drop_tables(blocking)
    loop = Loop()
    store = AsyncSQLStore.from_url(url(driver, None), table=TABLES[0], timeout=20)

    class Blocking:
        def __getattr__(self, name):
            return lambda *given, **named: loop.run(getattr(store.inbox(), name)(*given, **named))

    live(Blocking())
    assert loop.run(store.check()) == []
    loop.run(store.close())
    loop.close()
    drop_tables(blocking)
    blocking.dispose()


@pytest.mark.parametrize("made", ["postgresql+psycopg"], indirect=True)
def test_no_entry_is_reported_dead_that_its_holder_completes_in_this_moment(made, store):
    """PostgreSQL's take is several statements, each committed on its own."""
    inbox = store.inbox()
    store.create_table()
    inbox.put([kept(1)])
    (late,) = take(inbox, lease=0.01)
    with made.begin() as connection:
        connection.execute(text(f"UPDATE {TABLES[1]} SET crashes = {CRASHES - 1}, due_at = 0"))
    completed = []

    def complete(*_):
        if not completed:
            completed.append(False)
            completed[0] = inbox.complete(late.key, token=late.token, settings=SETTINGS)

    busy = SQLStore(made, table=TABLES[0], timeout=20)
    event.listen(made, "after_cursor_execute", complete)
    dead = take(busy.inbox())
    event.remove(made, "after_cursor_execute", complete)
    assert len(completed) == 1
    assert states(inbox) == {"1": EntryState.DONE if completed[0] else EntryState.DEAD}
    assert [(held.kept.key.id, held.crashes) for held in dead] == ([] if completed[0] else [("1", CRASHES)])


def test_each_entry_goes_to_one_of_many_workers_and_a_line_keeps_its_order(store):
    inbox = store.inbox()
    lines = [None, "a" * 64, "b" * 64, "c" * 64]
    inbox.put([kept(number, line=lines[number % 4]) for number in range(160)])
    ran, mutex, barrier = [], threading.Lock(), threading.Barrier(6)

    def work():
        barrier.wait()
        while any(count.state in (EntryState.WAITING, EntryState.HELD) for count in inbox.counts()):
            for held in take(inbox, 4):
                with mutex:
                    ran.append(int(held.kept.key.id))
                assert inbox.complete(held.key, token=held.token, settings=SETTINGS)

    with ThreadPoolExecutor(6) as workers:
        for each in [workers.submit(work) for _ in range(6)]:
            each.result()
    assert sorted(ran) == list(range(160))
    for line in (1, 2, 3):
        ordered = [number for number in ran if number % 4 == line]
        assert ordered == sorted(ordered)


def test_an_event_that_many_receive_at_the_same_moment_is_stored_once(store):
    inbox = store.inbox()
    inbox.put([kept("first")])
    for number in range(20):
        with ThreadPoolExecutor(6) as receivers:
            answers = [one.result()[0].status for one in [receivers.submit(inbox.put, [kept(number)]) for _ in range(6)]]
        assert sorted(answers) == [PutStatus.STORED] + [PutStatus.KNOWN] * 5
    assert len(take(inbox, 100)) == 21


def test_a_put_that_fails_leaves_its_connection_as_it_was(made):
    store = SQLStore.from_url(made.url, table=TABLES[0], timeout=20, pool_size=1)
    inbox = store.inbox()
    with pytest.raises(StoreUnavailable):
        inbox.put([kept(1), kept(2, head=None)])
    assert inbox.find(limit=1) == []
    # In autocommit mode: what a claim writes is seen by others immediately.
    claimed = store.claim(StoreKey("s", "1"), token=b"t" * 16, fingerprint=b"", lease=60, retention=60)
    assert claimed.status == ClaimStatus.ACQUIRED
    with made.connect() as other:
        assert other.scalar(text(f"SELECT COUNT(*) FROM {TABLES[0]} WHERE state = 1")) == 1
    store.close()


def test_the_workers_of_other_lines_are_not_held_up_by_a_locked_entry(made, store):
    inbox = store.inbox()
    inbox.put([kept(1)])
    inbox.put([kept(2)])
    with made.connect() as other, other.begin():
        oldest = inbox.find(limit=2)[-1]
        other.execute(text(f"SELECT seq FROM {TABLES[1]} WHERE seq = {oldest.seq} FOR UPDATE"))
        assert [held.kept.key.id for held in take(inbox)] == ["2"]


def test_forget_works_without_an_inbox(made):
    create_table(made, TABLES[0])
    store = SQLStore(made, table=TABLES[0], timeout=20)
    store.claim(StoreKey("s", "1"), token=b"t" * 16, fingerprint=b"", lease=60, retention=60)
    assert store.forget(StoreKey("s", "1")) is True
    assert store.forget(StoreKey("s", "1")) is False


# --- the table and the server


def test_a_missing_table_is_an_outage_that_says_what_to_do(made):
    create_table(made, TABLES[0])
    store = SQLStore.from_url(made.url, table=TABLES[0], timeout=20, create=False)
    inbox = store.inbox()
    for call in (lambda: inbox.put([kept(1)]), lambda: take(inbox), store.check):
        with pytest.raises(MissingTable, match=r"create_table\(engine, inbox=True\), or by your migration"):
            call()
    create_table(made, TABLES[0], inbox=True)
    assert store.check() == []
    assert [put.status for put in inbox.put([kept(1)])] == [PutStatus.STORED]
    store.close()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_server_that_is_down_fails_a_look(asynchronous):
    kind, driver = (AsyncSQLStore, "asyncpg") if asynchronous else (SQLStore, "psycopg")
    inbox = kind.from_url(f"postgresql+{driver}://nobody@127.0.0.1:9/none", timeout=5).inbox()
    with pytest.raises(StoreUnavailable):
        asyncio.run(inbox.due([LANE])) if asynchronous else inbox.due([LANE])


def test_a_look_leaves_a_lost_connection_to_the_next_operation(made, store):
    """The pool does not learn of the loss from a look, so it must not keep the connection for good."""
    inbox = store.inbox()
    inbox.put([kept(1)])
    assert inbox.due([LANE])
    with made.connect() as connection:
        if made.dialect.name == "postgresql":
            listed = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
            connection.execute(text(listed))
        else:
            listed = "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db = DATABASE()"
            for (number,) in connection.execute(text(listed)).all():
                connection.execute(text(f"KILL {number}"))
    with pytest.raises(StoreUnavailable):
        inbox.due([LANE])
    assert len(take(inbox)) == 1
    assert not inbox.due([LANE])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("ALTER TABLE {t} DROP COLUMN retention", "no column retention: run your migration"),
        ("{drop_unique} {t}_held", "no unique index on held_line, so two workers may hold one line"),
        ("{drop_unique} {t}_entry", "no unique index on id, part, so an event may be stored twice"),
        ("{drop_index}", "no index on endpoint, part, state, due_at, so workers read all of it"),
    ],
)
def test_a_wrong_table_is_rejected_with_what_is_wrong(made, change, says):
    fresh_tables(made)
    table, is_mysql = TABLES[1], made.dialect.name == "mysql"
    unique = f"ALTER TABLE {table} DROP {'INDEX' if is_mysql else 'CONSTRAINT'}"
    index = f"DROP INDEX {table}_due" + (f" ON {table}" if is_mysql else "")
    with made.begin() as connection:
        connection.execute(text(change.format(t=table, drop_unique=unique, drop_index=index)))
    store = SQLStore.from_url(made.url, table=TABLES[0], timeout=20, create=False)
    store.inbox()
    with pytest.raises((StoreMisconfigured, MissingTable), match=says):
        store.check()
    store.close()


def test_postgresql_that_answers_before_the_disk_is_rejected():
    made = engine("postgresql+psycopg", None)  # its connections do not wait for the disk
    fresh_tables(made)
    store = SQLStore(made, table=TABLES[0], timeout=20)
    assert store.check() == [], "claims may: one that is forgotten runs again"
    store.inbox()
    with pytest.raises(StoreMisconfigured, match="synchronous_commit is off .* set synchronous_commit = on"):
        store.check()
    drop_tables(made)
    made.dispose()


@pytest.mark.parametrize(
    ("version", "flush", "says"),
    [
        ("10.11.19-MariaDB-0+deb12u1", 1, None),
        ("5.5.5-10.6.0-MariaDB", 1, None),
        ("8.4.3", 1, None),
        ("10.5.27-MariaDB", 1, "needs MariaDB 10.6.0 or later"),
        ("8.0.0-dmr", 1, "needs MySQL 8.0.1 or later"),
        ("5.7.44-log", 1, "needs MySQL 8.0.1 or later"),
        ("8.4.3", 2, "innodb_flush_log_at_trx_commit is 2, .* set it to 1"),
        ("10.11.19-MariaDB", 0, "innodb_flush_log_at_trx_commit is 0"),
    ],
)
def test_mysql_and_mariadb_that_would_lose_events_are_rejected(version, flush, says):
    found = mysql_problem(version, flush)
    if says is None:
        assert found is None
    else:
        assert re.search(says, found)


def test_a_sqlite_file_is_for_the_sqlite_store(tmp_path):
    store = SQLStore.from_url(f"sqlite+pysqlite:///{tmp_path}/claims.db")
    with pytest.raises(ConfigurationError, match="write sqlite:////path/to/file"):
        store.inbox()
    assert store.forget(StoreKey("s", "1")) is False
    store.close()


# --- speed that does not depend on the number of entries


def many(made, number):
    """Entries that are due, and the keys of their events, in a statement each."""
    numbers = {
        "postgresql": f"SELECT n FROM generate_series(1, {number}) AS g(n)",
        "mysql": f"SELECT seq AS n FROM seq_1_to_{number}",
    }[made.dialect.name]
    digest = {"postgresql": "md5(CAST(n AS varchar)) || md5(CAST(n AS varchar))", "mysql": "SHA2(n, 256)"}[made.dialect.name]
    columns = "id, part, endpoint, scope, event_id, event_type, state, due_at, attempt, crashes, received_at, changed_at"
    with made.begin() as connection:
        connection.execute(
            text(
                f"INSERT INTO {TABLES[1]} ({columns}, retention, head, body) SELECT {digest}, '', 'pay', 's', n, 't', 0, n, 0, 0,"
                f" n, n, 60, '', '' FROM ({numbers}) AS numbers"
            )
        )
        keys = "id, scope, event_id, state, token, fingerprint, claimed_at, lease_until, expires_at, attempt"
        connection.execute(
            text(
                f"INSERT INTO {TABLES[0]} ({keys}) SELECT id, scope, event_id, 2, '', '', 0, 0, 253402300799, 1 FROM {TABLES[1]}"
            )
        )
        for table in TABLES:
            connection.execute(text(f"ANALYZE {table}" if made.dialect.name == "postgresql" else f"ANALYZE TABLE {table}"))


def plans(made, perform):
    """The server's plan of each statement on the two tables."""
    asked, found = [], []

    def before(connection, cursor, statement, parameters, context, executemany):
        if any(table in statement for table in TABLES) and not statement.startswith("EXPLAIN"):
            asked.append((statement, parameters))

    event.listen(made, "before_cursor_execute", before)
    perform()
    event.remove(made, "before_cursor_execute", before)
    with made.connect() as connection:
        for statement, parameters in asked:
            explained = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
            found.append((statement.split()[0], "\n".join(str(tuple(row)) for row in explained)))
    return found


def test_no_operation_reads_the_whole_table(made):
    fresh_tables(made)
    many(made, 100_000)
    store = SQLStore(made, table=TABLES[0], timeout=60)
    inbox = store.inbox()

    def perform():
        assert inbox._do(inbox._operations.due([Lane("other"), LANE]))  # as due() does, and where SQLAlchemy reports it
        (one, two, three) = take(inbox, 3)
        inbox.complete(one.key, token=one.token, settings=SETTINGS)
        if made.dialect.name == "postgresql":
            shared = [Completion(held.key, held.token, SETTINGS) for held in take(inbox, 50)]
            assert inbox._do(inbox._operations.complete_all(shared)) == [True] * 50
        inbox.release(two.key, token=two.token, after=1, reason="no", settings=SETTINGS)
        inbox.extend(three.key, token=three.token, lease=1)
        inbox.take_one(two.key, lease=1, settings=SETTINGS)
        inbox.prune(limit=10)
        inbox.drop([one.key], reason="a test", by="anna")
        inbox.put([kept("new")])
        inbox.put([kept("new")])
        store.forget(kept("new").key)

    found = plans(made, perform)
    assert len(found) >= 10
    for statement, plan in found:
        # MySQL's plan names how a table is read: ALL is all of it.
        assert not any(f"Seq Scan on {table}" in plan for table in TABLES), (statement, plan)
        assert "'ALL'" not in plan or statement == "INSERT", (statement, plan)
    assert any(f"{TABLES[1]}_due" in plan for _, plan in found)


# --- puts and completions that share a statement


class TestSharedStatements(BlockingInbox):
    """The contract on the inbox that an event loop uses with psycopg."""

    driver = "postgresql+psycopg"

    def make_store(self, clock):
        store = super().make_store(clock)
        inbox = store.inbox().awaited(asyncio.to_thread)
        inbox._put_all = lambda events: inbox._do(inbox._server.put_all(events))  # a single event too
        store.inbox = lambda: inbox
        return store


@pytest.fixture
def shared():
    made = engine("postgresql+psycopg", None)
    fresh_tables(made)
    store = SQLStore(made, table=TABLES[0], timeout=20)
    yield store
    drop_tables(made)
    made.dispose()


def completing(inbox, asked):
    """Complete these keys with these tokens concurrently; return the answers and errors."""

    async def complete_all():
        awaited = inbox.awaited(asyncio.to_thread)
        calls = (awaited.complete(key, token=token, settings=settings) for key, token, settings in asked)
        return await asyncio.gather(*calls, return_exceptions=True)

    return asyncio.run(complete_all())


def test_each_of_the_completions_in_one_statement_gets_its_own_answer(shared):
    inbox = shared.inbox()
    inbox.put([kept(number, parts=("", "audit")) for number in range(3)])
    view = take(inbox)
    audit = inbox.take(Lane("pay", "audit"), limit=10, lease=30, settings=SETTINGS)
    gone = InboxSettings(keep=0)
    asked = [
        (view[0].key, view[0].token, SETTINGS),
        (view[0].key, b"nobody's token 0", SETTINGS),
        (view[1].key, view[1].token, gone),
        (view[2].key, b"nobody's token 0", SETTINGS),
        (audit[0].key, audit[0].token, SETTINGS),
        ("f" * 64, view[0].token, SETTINGS),
        ("no key", view[0].token, SETTINGS),
        (f"{'f' * 64}.\ud800", view[0].token, SETTINGS),
    ]
    statements = []
    event.listen(shared.engine, "before_cursor_execute", lambda *facts: statements.append(facts[2].split()[0]))
    *answers, error = completing(inbox, asked)
    assert answers == [True, False, True, False, True, False, False]
    assert isinstance(error, StoreUnavailable), "it is alone with its mistake"
    # One for all, one for each token that held nothing, and one for the key that no server takes.
    assert statements.count("UPDATE") == 1 + 3 + 1
    assert completing(inbox, asked[:3]) == [True, False, True]
    bodies = {held.key: inbox.open(held.key).body for held in view}
    assert (bodies[view[0].key], bodies[view[1].key]) == (b"{}", b"")
    assert {entry.state for entry in inbox.find(limit=9) if entry.key in (view[2].key, audit[1].key)} == {EntryState.HELD}


def test_completions_whose_statement_fails_are_errors_for_each_and_may_be_repeated(shared, monkeypatch):
    inbox = shared.inbox()
    inbox.put([kept(number) for number in range(5)])
    asked = [(held.key, held.token, SETTINGS) for held in take(inbox)]
    do = inbox._do

    def lost(operation):
        do(operation)
        raise StoreUnavailable("the connection was lost after the commit")

    monkeypatch.setattr(inbox, "_do", lost)
    found = completing(inbox, asked)
    assert all(isinstance(each, StoreUnavailable) for each in found)
    assert len({id(each) for each in found}) == 5
    monkeypatch.setattr(inbox, "_do", do)
    assert completing(inbox, asked) == [True] * 5


def test_completion_that_nobody_waits_for_leaves_the_others_their_answers(shared):
    inbox = shared.inbox()
    inbox.put([kept(number) for number in range(9)])
    held = take(inbox)

    async def complete_all():
        awaited = inbox.awaited(asyncio.to_thread)
        tasks = [asyncio.create_task(awaited.complete(each.key, token=each.token, settings=SETTINGS)) for each in held]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(complete_all())
    assert [answer is True for answer in answers] == [False, True, True] * 3
    assert sum(state == EntryState.DONE for state in states(inbox).values()) >= 6


def test_loop_that_ends_leaves_nobody_waiting(shared, monkeypatch):
    inbox = shared.inbox()
    release = threading.Event()
    monkeypatch.setattr(inbox, "_do", lambda operation: release.wait(60))

    async def main():
        awaited = inbox.awaited(asyncio.to_thread)
        waiter = asyncio.create_task(awaited.complete("a" * 64, token=b"t", settings=SETTINGS))
        await asyncio.sleep(0.1)
        (waiting,) = awaited._completions._waiting.values()
        waiting.task.cancel()
        await asyncio.wait({waiter}, timeout=30)
        release.set()
        return waiter.cancelled()

    assert asyncio.run(main())


def putting(inbox, events):
    """Put these events concurrently, each on its own; return the answers and errors."""

    async def put_all():
        awaited = inbox.awaited(asyncio.to_thread)
        return await asyncio.gather(*(awaited.put([each]) for each in events), return_exceptions=True)

    return [answer[0].status if isinstance(answer, list) else type(answer) for answer in asyncio.run(put_all())]


def statements_of(store, perform):
    """The first words of the statements, and what ``perform`` returns."""
    found = []

    def note(*facts):
        found.append(facts[2].split()[0])

    event.listen(store.engine, "before_cursor_execute", note)
    answer = perform()
    event.remove(store.engine, "before_cursor_execute", note)
    return found, answer


def test_each_of_the_puts_in_one_statement_gets_its_own_answer(shared):
    inbox = shared.inbox()
    inbox.put([kept("known"), kept("dead")])
    (dead,) = (held for held in take(inbox) if held.kept.key.id == "dead")
    inbox.give_up(dead.key, token=dead.token, reason="gone", settings=SETTINGS)
    shared.claim(kept("running").key, token=b"t" * 16, fingerprint=b"", lease=60, retention=60)
    events = [kept(name, body=name.encode()) for name in ("new", "known", "dead", "running", "twice", "twice", "last")]
    statements, answers = statements_of(shared, lambda: putting(inbox, events))
    assert answers == [
        *(PutStatus.STORED, PutStatus.KNOWN, PutStatus.AGAIN, PutStatus.IN_PROGRESS),
        *(PutStatus.STORED, PutStatus.KNOWN, PutStatus.STORED),
    ]
    assert statements[0] == "WITH"
    assert {held.kept.body for held in take(inbox)} == {b"dead", b"new", b"twice", b"last"}


def test_puts_that_wait_share_one_statement(shared):
    inbox = shared.inbox()
    events = [kept(number, content=b"\x00\xff" if number else None, parts=("", "audit")) for number in range(20)]
    statements, answers = statements_of(shared, lambda: putting(inbox, events))
    assert answers == [PutStatus.STORED] * 20
    assert statements == ["WITH"]
    held = take(inbox, 100)
    assert {each.kept.content for each in held} == {b"\x00\xff", None}
    assert len(inbox.take(Lane("pay", "audit"), limit=100, lease=30, settings=SETTINGS)) == len(held) == 20


def test_event_that_the_server_rejects_fails_alone(shared):
    inbox = shared.inbox()
    wrong = [kept("long", event_type="x" * 300), kept("nul", head="a\0b"), kept("surrogate", head="\ud800")]
    events = [kept(1), wrong[0], kept(2), wrong[1], kept(3), wrong[2]]
    assert putting(inbox, events) == [PutStatus.STORED, StoreUnavailable] * 3
    assert states(inbox) == dict.fromkeys(("1", "2", "3"), EntryState.WAITING)


def test_puts_whose_commit_got_no_answer_are_errors_for_each(shared, monkeypatch):
    inbox = shared.inbox()
    do, calls = inbox._do, []

    def lost(operation):
        calls.append(do(operation))
        raise StoreUnavailable("the connection was lost after the commit")

    monkeypatch.setattr(inbox, "_do", lost)
    assert putting(inbox, [kept(number) for number in range(5)]) == [StoreUnavailable] * 5
    assert len(calls) == 1
    monkeypatch.setattr(inbox, "_do", do)
    assert putting(inbox, [kept(number) for number in range(6)]) == [PutStatus.KNOWN] * 5 + [PutStatus.STORED]


def test_entries_of_a_line_keep_the_order_in_which_their_events_came(shared):
    inbox = shared.inbox()
    putting(inbox, [kept(number, line="a" * 64) for number in range(30)])
    assert [int(entry.event_id) for entry in inbox.find(limit=100)] == list(reversed(range(30)))


def test_large_events_and_those_of_one_delivery_are_put_on_their_own(shared):
    inbox = shared.inbox()
    events = [kept(1), kept(2, body=b"x" * 70_000), kept(3)]
    statements, answers = statements_of(shared, lambda: putting(inbox, events))
    assert answers == [PutStatus.STORED] * 3
    assert statements == ["WITH", "WITH"]

    async def put_together():
        return await inbox.awaited(asyncio.to_thread).put([kept(4), kept(5, event_type="x" * 300)])

    with pytest.raises(StoreUnavailable):
        asyncio.run(put_together())
    assert "4" not in states(inbox)


def test_keys_of_one_statement_are_locked_in_one_order():
    """Two processes that put the same events in another order would lock each other out."""
    statement = next(all_put([kept(number) for number in range(20)], lambda event: iter(())))
    locked = [row["id"] for row in json.loads(statement.values["given"])]
    assert locked == sorted(locked)
    assert len(locked) == 20


def test_deliveries_of_an_event_loop_share_statements(shared):
    """The guard of an asynchronous framework puts through the inbox of its loop; one in threads does not."""
    endpoint = Endpoint(Verifier("stripe", ["a-secret-that-is-long-enough"]), inbox=InboxSettings())

    async def put(run, names):
        stores = put_of(endpoint, shared, run, shared)
        return await asyncio.gather(*(stores([kept(name)]) for name in names))

    statements, _ = statements_of(shared, lambda: asyncio.run(put(asyncio.to_thread, range(10))))
    assert statements.count("WITH") == 1
    statements, _ = statements_of(shared, lambda: asyncio.run(put(call_inline, range(10, 15))))
    assert statements.count("WITH") == 5
    assert len(states(shared.inbox())) == 15


def test_processes_that_put_the_same_events_do_not_wait_for_each_other(shared):
    inbox = shared.inbox()

    def put(number):
        events = [kept(f"{turn}-{each}") for turn in range(10) for each in range(30)]
        return putting(inbox, events if number % 2 else events[::-1])

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(put, range(4)))
    for event_answers in zip(answers[1], answers[3], answers[0][::-1], answers[2][::-1], strict=True):
        assert sorted(event_answers) == [PutStatus.STORED] + [PutStatus.KNOWN] * 3
    assert len(states(inbox)) == 300


def test_event_loop_that_is_closed_is_not_kept_for_its_jobs():
    async def perform(jobs):
        return jobs

    async def steps():
        assert await sharing.run(1) == 1
        return weakref.ref(asyncio.get_running_loop())

    sharing = Sharing(perform, 64)
    closed = asyncio.run(steps())
    gc.collect()
    assert closed() is None
