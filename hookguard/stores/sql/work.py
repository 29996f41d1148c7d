"""One event's transaction: it begins with the claim, is watched while the handler runs, and ends with the completion."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Session

from hookguard.errors import (
    ConfigurationError,
    HookguardError,
    MissingTable,
    StoreMisconfigured,
    StoreUnavailable,
    TransactionEscaped,
    TransactionFailed,
)
from hookguard.process.locks import Lock
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey
from hookguard.stores.sql.database_check import Needed, check_sql_database
from hookguard.stores.sql.deadline import Bounded
from hookguard.stores.sql.engines import leave_to_parent, shown_database
from hookguard.stores.sql.execute import (
    CARRIES_CLAIMS,
    database_of,
    driver_error,
    drop_demoted,
    is_transient,
    run,
    seconds,
    succeeds_again,
    unavailable,
)
from hookguard.stores.sql.own_session import OwnSessions
from hookguard.stores.sql.running import Running, close
from hookguard.stores.sql.store import capabilities_of
from hookguard.stores.sql.table import create_table
from hookguard.stores.statements import Database, Statements, Steps

if TYPE_CHECKING:
    from hookguard.stores.inbox_server import ServerInbox

__all__ = ["Work"]

#: The key under which a connection remembers its lock, until it returns to its pool.
_LOCK = "hookguard_lock"


class Work:
    """The work of both stores with a session. It is blocking code, which SQLAlchemy runs for asynchronous sessions too."""

    def __init__(self, table: str, timeout: float, handled: Callable[[], object | None]) -> None:
        self.table = table
        self._own_sessions = OwnSessions(handled)
        self.timeout = seconds(timeout)
        self._steps: dict[str, Statements] = {}
        self._prepared: set[Engine] = set()
        self._engines: list[Engine] = []
        self._busy: set[StoreKey] = set()  # for SQLite, which has no named locks
        self._making = Lock()

    def engine_of(self, sessions: object) -> Engine | None:
        """Return the engine of these sessions, opening none: the one used before, or the one that their maker was given."""
        if self._engines:
            return self._engines[0]
        maker = getattr(sessions, "session_factory", sessions)  # of a scoped_session
        bind = getattr(maker, "kw", {}).get("bind")
        engine = getattr(getattr(bind, "sync_engine", bind), "engine", None)
        return engine if isinstance(engine, Engine) else None

    def need_engine(self, sessions: Callable[[], Any]) -> Engine:
        """Return the engine of these sessions. Raises ConfigurationError if it is not known yet."""
        if (engine := self.engine_of(sessions)) is not None:
            return engine
        try:
            return cast("Engine", sessions().get_bind().engine)
        except Exception as error:  # Flask-SQLAlchemy's own, outside of its application, or SQLAlchemy's
            raise ConfigurationError(
                f"an inbox needs the engine of its store's sessions, and they have none yet ({error}): give"
                " sessionmaker(engine), or initialise the extension that makes the sessions before hookguard"
            ) from error

    def name(self, sessions: object) -> str:
        """Return the database's URL without its password, or what makes the sessions while the URL is not known."""
        if (engine := self.engine_of(sessions)) is not None:
            return f"{shown_database(engine.url)}, table={self.table!r}"
        return f"{getattr(sessions, '__name__', type(sessions).__name__)}, table={self.table!r}"

    def capabilities(self, sessions: object) -> Capabilities:
        """Return the capabilities of claims in the database of these sessions."""
        engine = self.engine_of(sessions)
        # The database of a function that returns sessions is not known before its first session.
        return capabilities_of(engine.dialect.name if engine is not None else "")._replace(transactional=True)

    def begin(
        self, session: Session, key: StoreKey, token: bytes, fingerprint: bytes, lease: float, retention: float
    ) -> tuple[Claim, Running | None]:
        """Claim; return the answer, and the running transaction if the event was acquired."""
        ends = time.monotonic() + self.timeout
        dialect = session.get_bind().dialect

        def once() -> tuple[Claim, Running | None]:
            return self._begin(session, dialect, ends, key, token, fingerprint, lease, retention)

        # Nothing is committed yet: a claim whose answer was lost is gone with its connection, so a retry is safe.
        found: tuple[Claim, Running | None] = self._twice(once, dialect, ends)
        return found

    def _twice(self, work: Callable[[], Any], dialect: Dialect, ends: float) -> Any:
        try:
            try:
                return work()
            except Exception as error:
                if not succeeds_again(error) or time.monotonic() >= ends:
                    raise
                return work()
        except Exception as error:
            raise unavailable(error, dialect) from error

    def _begin(
        self,
        session: Session,
        dialect: Dialect,
        ends: float,
        key: StoreKey,
        token: bytes,
        fingerprint: bytes,
        lease: float,
        retention: float,
    ) -> tuple[Claim, Running | None]:
        steps = self._statements(dialect)
        if not self._enter(dialect, key):
            return _elsewhere(lease), None
        running: Running | None = None
        connection: Connection | None = None
        try:
            connection = self._clean(session)
            with Bounded(connection, ends):
                if dialect.name == "sqlite":
                    # A duplicate of a completed event need not wait for another writer.
                    if found := run(connection, steps.look(key, token, fingerprint)):
                        return found, None
                    session.rollback()
                    connection = self._connection(session)
                self._prepare(connection, steps.database)
                self._note_lock(connection, steps, key)
                if not run(connection, steps.lock(key)):
                    return _elsewhere(lease), None
                claim: Claim = run(connection, steps.claim(key, token, fingerprint, lease, retention))
            if claim.status == ClaimStatus.ACQUIRED:
                running = Running(session, connection, key)
            return claim, running
        finally:
            if running is None:
                self._leave(session, key, connection, ends)

    def begin_entry(self, session: Session, take: Callable[[], Steps]) -> Running | None:
        """Begin an entry's transaction, whose first steps are those of ``take``; None if they return False."""
        ends = time.monotonic() + self.timeout
        dialect = session.get_bind().dialect

        def once() -> Running | None:
            running: Running | None = None
            connection: Connection | None = None
            try:
                connection = self._clean(session)
                with Bounded(connection, ends):
                    self._prepare(connection, database_of(dialect))
                    if run(connection, take()):
                        running = Running(session, connection)
                return running
            finally:
                if running is None:
                    close(session, connection, ends)

        found: Running | None = self._twice(once, dialect, ends)
        return found

    def complete(self, running: Running, token: bytes, retention: float, reply: bytes | None) -> None:
        """Mark the event as done and commit, or raise and write nothing."""
        steps = self._statements(running.session.get_bind().dialect)
        self.finish(running, steps.complete(cast("StoreKey", running.key), token, retention, reply))

    def finish(self, running: Running, steps: Steps) -> None:
        """Commit, with ``steps`` at the end, or raise and write nothing: also if they return False."""
        ends = time.monotonic() + self.timeout
        session = running.session
        dialect = session.get_bind().dialect
        try:
            if running.escaped is not None:
                # The handler went on after the error, so what it counts as written is unknown.
                raise running.escaped
            connection = session.connection()
            with Bounded(connection, ends):
                session.flush()
                if not run(connection, steps):
                    raise TransactionEscaped(
                        "the transaction that the claim was part of is gone: the handler rolled it back, but answered 2xx"
                    )
                running.end()
                session.commit()
        except HookguardError:
            raise
        except Exception as error:
            if is_transient(error):
                # A lost connection, a deadlock, a serialization failure: the provider's retry settles it.
                raise unavailable(error, dialect) from error
            why = driver_error(error)
            swallowed = isinstance(error, InvalidRequestError) or "transaction is aborted" in str(why)
            raise TransactionFailed(
                f"the handler's transaction cannot be committed ({type(why).__name__}: {str(why).partition(chr(10))[0]})"
                + ("; did the handler catch a database error? Use begin_nested() around what may fail" if swallowed else "")
            ) from error
        finally:
            running.end()
            self._leave(session, running.key, running.connection, ends)

    def abandon(self, running: Running) -> None:
        """Roll back the transaction."""
        running.end()
        self._leave(running.session, running.key, running.connection, time.monotonic() + self.timeout)

    def purge(self, session: Session, limit: int) -> int:
        """Delete expired events, in a transaction of its own."""
        return int(self._aside(session, lambda connection, steps: run(connection, steps.purge(limit))))

    def forget(self, session: Session, key: StoreKey) -> bool:
        """Forget an event, in a transaction of its own; False while an inbox entry of it is waiting or held."""

        def forget(connection: Connection, steps: Statements, how: Callable[[], Steps]) -> bool:
            if key not in self._busy:
                self._prepare(connection, steps.database)
                self._note_lock(connection, steps, key)
                if run(connection, steps.lock(key)):
                    return bool(run(connection, how()))
            raise StoreUnavailable("the event is being handled: forget it when the handler is done")

        if session.get_bind().dialect.name != "sqlite":
            entries = self.entries(session.get_bind().engine).forget(key)
            with suppress(MissingTable):  # most databases have no inbox
                return bool(self._aside(session, lambda connection, steps: forget(connection, steps, entries.steps)))
        return bool(self._aside(session, lambda connection, steps: forget(connection, steps, lambda: steps.forget(key))))

    def check(self, session: Session, needed: Needed) -> list[str]:
        """Check the tables and the server, in a transaction of its own."""
        found: list[str] = self._aside(session, lambda connection, steps: check_sql_database(connection, steps, needed))
        return found

    def entries(self, engine: Engine) -> ServerInbox:
        """Return the operations of the inbox beside the claims. Raises ConfigurationError."""
        from hookguard.stores.sql.inbox import server_inbox  # noqa: PLC0415 - most applications have none

        return server_inbox(database_of(engine.dialect), self.table, None)

    def _aside(self, session: Session, work: Callable[[Connection, Statements], Any]) -> Any:
        ends = time.monotonic() + self.timeout
        dialect = session.get_bind().dialect

        def once() -> Any:
            connection: Connection | None = None
            try:
                connection = self._connection(session)
                with Bounded(connection, ends):
                    found = work(connection, self._statements(dialect))
                    session.commit()
                    return found
            finally:
                close(session, connection, ends)

        return self._twice(once, dialect, ends)

    def _clean(self, session: Session) -> Connection:
        """Return the session's connection, with nothing on it from before."""
        if session.new or session.dirty or session.deleted:
            raise StoreMisconfigured(
                "the session holds changes from before the claim, which would be committed or lost with the event: give a"
                " sessionmaker, or write nothing to the scoped session before the handler"
            )
        if session.in_transaction():
            # Earlier reads may be out of date by now, and SQLite cannot write after such a read.
            session.rollback()
        return self._connection(session)

    def _connection(self, session: Session) -> Connection:
        """Return the session's connection. It will be dropped if its server accepts no writes any more."""
        engine = session.get_bind().engine
        with self._making:
            if engine not in self._engines:
                self._engines.append(engine)
                drop_demoted(engine)
                self._own_sessions.watch(engine)
        leave_to_parent(engine)
        return session.connection().execution_options(**{CARRIES_CLAIMS: True})

    def create_table(self, session: Session, *, inbox: bool) -> None:
        """Create the table unless it exists, and the inbox's."""
        try:
            create_table(session.connection(), self.table, inbox=inbox)
            session.commit()
        finally:
            session.close()

    def _statements(self, dialect: Dialect) -> Statements:
        if dialect.name not in self._steps:
            self._steps[dialect.name] = Statements(database_of(dialect), table=self.table)
        return self._steps[dialect.name]

    def _enter(self, dialect: Dialect, key: StoreKey) -> bool:
        if dialect.name != "sqlite":
            return True
        with self._making:
            if key in self._busy:
                return False
            self._busy.add(key)
            return True

    def _leave(self, session: Session, key: StoreKey | None, connection: Connection | None, ends: float) -> None:
        try:
            close(session, connection, ends)
        finally:
            with self._making:
                self._busy.discard(cast("StoreKey", key))

    def _prepare(self, connection: Connection, database: Database) -> None:
        """Make sure that a transaction is open."""
        if database == "sqlite":
            # A SQLite transaction that reads first and writes later fails immediately if another writer came in between. This
            # one is a writer from its first statement, and waits for its turn within the driver's timeout.
            if not _raw(connection).in_transaction:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        with suppress(NotImplementedError):
            if connection.dialect.detect_autocommit_setting(connection.connection.dbapi_connection):  # type: ignore[arg-type]
                raise StoreMisconfigured(
                    "the session's engine is in AUTOCOMMIT mode, so the claim and the handler's writes are not one transaction:"
                    " give the sessionmaker an engine without isolation_level='AUTOCOMMIT'"
                )

    def _note_lock(self, connection: Connection, steps: Statements, key: StoreKey) -> None:
        """Make sure that MySQL's lock ends when its connection returns to the pool."""
        if steps.database == "mysql":
            engine = connection.engine
            with self._making:
                if engine not in self._prepared:
                    self._prepared.add(engine)
                    event.listen(engine, "reset", _unlock)
            (statement,) = steps.unlock(key)
            connection.info[_LOCK] = statement.values["name"]


def _elsewhere(lease: float) -> Claim:
    """Return the answer for an event of another worker. Its end is unknown, because nothing is committed yet."""
    return Claim(ClaimStatus.IN_PROGRESS, retry_after=min(lease, 5.0))


def _raw(connection: Connection) -> Any:
    """Return the driver's own connection, also for an asynchronous driver."""
    return connection.connection.driver_connection


def _unlock(connection: Any, record: Any, state: Any) -> None:
    """Free the lock of a MySQL connection that returns to its pool. If this fails, the connection is broken and discarded."""
    name = record.info.pop(_LOCK, None)
    if name is not None and state.asyncio_safe:
        cursor = connection.cursor()
        try:
            cursor.execute("SELECT RELEASE_LOCK(SHA2(CONCAT(COALESCE(DATABASE(), ''), %s), 256))", (name,))
            cursor.fetchall()
        finally:
            cursor.close()
