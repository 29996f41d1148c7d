"""The store contract as SQL: each operation is a generator that yields statements and receives their results.

The generators do no input or output, so that SQLAlchemy (blocking and asynchronous) and Django's ORM run the same statements.
An event is one row. Its primary key is the SHA-256 of its scope and id: no collation can confuse two ids, and no length limit
cuts them. The readable columns are for people only. Instants are seconds since 1970, by the server's clock.

- PostgreSQL and SQLite claim with one upsert. Its ``WHERE`` says when a claim may be taken.
- MySQL and MariaDB have no such clause. They read the row without a lock, then run an ``INSERT IGNORE`` or an ``UPDATE`` with
  the same condition. Each statement is atomic. The token in the row decides which worker took the event over, because counts
  of changed rows depend on the driver's flags. MySQL assigns columns from left to right, so a column that another one is
  computed from comes after it.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Generator
from typing import Any, Literal, NamedTuple

from hookguard.errors import ConfigurationError, StoreUnavailable
from hookguard.store import Claim, ClaimStatus, StoreKey

__all__ = ["Database", "Statement", "Statements", "Steps", "claim_from_row"]

#: The databases whose SQL is known; MariaDB speaks MySQL's.
Database = Literal["postgresql", "mysql", "sqlite"]


class Statement(NamedTuple):
    """SQL with ``:name`` placeholders. ``fetch``: the result is the list of rows, otherwise the number of changed rows.

    ``values`` may have more names than the SQL.
    """

    sql: str
    values: dict[str, Any]
    fetch: bool


Steps = Generator[Statement, Any, Any]

_NOW: dict[str, str] = {
    # Not now(), which is the start of the transaction.
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS double precision)",
    # In UTC, independent of the session's time zone.
    "mysql": "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1e6)",
    # SQLite is a library: its clock is the process's.
    "sqlite": ":now",
}

_GIVEN_NOW: dict[str, str] = {"postgresql": "CAST(:now AS double precision)", "mysql": "(:now + 0e0)", "sqlite": ":now"}

#: PostgreSQL's clock for a purge. An instant that may change from row to row cannot use the index, so a purge would read every
#: live event to find that none has expired.
_PURGE_NOW: dict[str, str] = _NOW | {"postgresql": "CAST(EXTRACT(EPOCH FROM statement_timestamp()) AS double precision)"}

_FREE = "{t}.expires_at <= {now} OR {t}.state = 0 OR ({t}.state = 1 AND {t}.lease_until <= {now} AND {t}.token <> :token)"

_INSERT = """
INTO {table} {alias} (id, scope, event_id, state, token, fingerprint, claimed_at, lease_until, expires_at, attempt)
VALUES (:id, :scope, :event_id, 1, :token, :fingerprint, {now}, {now} + :lease, {now} + :lease + :retention, 1)
"""

_UPSERT = f"""
INSERT {_INSERT}
ON CONFLICT (id) DO UPDATE SET
    state = 1,
    token = excluded.token,
    fingerprint = CASE WHEN held.expires_at <= {{now}} THEN excluded.fingerprint ELSE held.fingerprint END,
    claimed_at = excluded.claimed_at,
    lease_until = excluded.lease_until,
    expires_at = excluded.expires_at,
    attempt = CASE WHEN held.expires_at <= {{now}} THEN 1 ELSE held.attempt + 1 END,
    reply = NULL
WHERE {_FREE}
RETURNING attempt, fingerprint = :fingerprint
"""

_TAKE_OVER = f"""
UPDATE {{table}} SET
    fingerprint = CASE WHEN expires_at <= {{now}} THEN :fingerprint ELSE fingerprint END,
    attempt = CASE WHEN expires_at <= {{now}} THEN 1 ELSE attempt + 1 END,
    reply = NULL,
    state = 1,
    token = :token,
    claimed_at = {{now}},
    lease_until = {{now}} + :lease,
    expires_at = {{now}} + :lease + :retention
WHERE id = :id AND ({_FREE})
"""  # noqa: S608 - made of constants; the table's name is checked below

_LOOK = "SELECT state, token, fingerprint, lease_until, expires_at, attempt, reply, {now} FROM {table} WHERE id = :id"

_COMPLETE = """
UPDATE {table} SET
    reply = CASE WHEN state = 1 THEN :reply ELSE reply END,
    expires_at = CASE WHEN state = 1 THEN {now} + :retention ELSE expires_at END,
    state = 2
WHERE id = :id AND token = :token AND state IN (1, 2) AND expires_at > {now}
"""

_RELEASE = """
UPDATE {table} SET state = 0, lease_until = {now} WHERE id = :id AND token = :token AND state = 1 AND expires_at > {now}
"""

_EXTEND = """
UPDATE {table} SET expires_at = {now} + :lease + (expires_at - lease_until), lease_until = {now} + :lease
WHERE id = :id AND token = :token AND state = 1 AND expires_at > {now}
"""

_PURGE: dict[str, str] = {
    # Rows that another purge or claim has locked are left for the next purge, so that no worker waits for another.
    "postgresql": """
DELETE FROM {table} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM {table} WHERE expires_at <= {now} ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED))
""",
    "mysql": "DELETE FROM {table} WHERE expires_at <= {now} ORDER BY expires_at LIMIT :limit",
    "sqlite": """
DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE expires_at <= {now} ORDER BY expires_at LIMIT :limit)
""",
}

_FORGET = "DELETE FROM {table} WHERE id = :id"

#: The server's time, the number of rows (its own estimate if it has one), and whether it is writable: for a check.
_STATE: dict[str, str] = {
    "postgresql": """
SELECT {now}, GREATEST(reltuples, 0), NOT pg_is_in_recovery() FROM pg_class WHERE oid = CAST(:table AS regclass)
""",
    "mysql": """
SELECT {now}, COALESCE(MAX(table_rows), 0), @@global.read_only = 0 FROM information_schema.tables
WHERE table_schema = COALESCE(:schema, DATABASE()) AND table_name = :plain
""",
    "sqlite": "SELECT :now, (SELECT COUNT(*) FROM (SELECT 1 FROM {table} LIMIT 1000000)), 1",
}

_EXPIRED = "SELECT COUNT(*) FROM (SELECT 1 FROM {table} WHERE expires_at <= {now} LIMIT :limit) AS expired"

# No capitals: a database that folds names would search for another table than the one that was created.
_TABLE = re.compile(r"[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?", re.ASCII)

#: How often a claim retries when the row changes meanwhile. In each round another worker made progress.
_ROUNDS = 4


class Statements:
    """The operations of one table on one kind of database. ``clock`` replaces the server's clock, for tests."""

    def __init__(self, database: Database, *, table: str = "hookguard_event", clock: Callable[[], float] | None = None) -> None:
        if database not in _NOW:
            raise ConfigurationError(f"no store for {database!r}: use one of {', '.join(_NOW)}")
        if not _TABLE.fullmatch(table):
            raise ConfigurationError(
                f"table is {table!r}: give a plain name in lower case, with its schema before a dot if it has one"
            )
        self.database: Database = database
        self.table = table
        self._clock = clock
        self._given = clock is not None or database == "sqlite"
        now = (_GIVEN_NOW if self._given else _NOW)[database]

        def sql(template: str, alias: str = "", t: str = table) -> str:
            # The condition is part of other templates, so its own names are filled in first.
            return template.replace("{t}", t).format(table=table, alias=alias, now=now)

        self._upsert = sql(_UPSERT, "AS held", "held")
        self._insert = sql("INSERT IGNORE" + _INSERT)
        self._take_over = sql(_TAKE_OVER)
        self._look = sql(_LOOK)
        self._complete = sql(_COMPLETE)
        self._release = sql(_RELEASE)
        self._extend = sql(_EXTEND)
        self._purge = _PURGE[database].format(table=table, now=now if self._given else _PURGE_NOW[database])
        self._forget = sql(_FORGET)
        self._state = sql(_STATE[database])
        self._expired = _EXPIRED.format(table=table, now=now if self._given else _PURGE_NOW[database])

    def claim(self, key: StoreKey, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Steps:
        """Return the Claim."""
        asked = {
            "id": key.idempotency_key,
            # For people. Cutting them loses nothing, because the id above is made of the whole text.
            "scope": key.scope[:255],
            "event_id": key.id[:255],
            "token": token,
            "fingerprint": fingerprint,
            "lease": lease,
            "retention": retention,
        }
        for _ in range(_ROUNDS):
            if self.database != "mysql" and (won := (yield self._with_now(self._upsert, asked, fetch=True))):
                return Claim(ClaimStatus.ACQUIRED, won[0][0], 0.0, bool(won[0][1]))
            if (rows := (yield self._with_now(self._look, asked, fetch=True))) and (
                found := claim_from_row(rows[0], token, fingerprint)
            ):
                return found
            if self.database != "mysql":
                continue
            if not rows:
                if (yield self._with_now(self._insert, asked, fetch=False)) == 1:
                    return Claim(ClaimStatus.ACQUIRED)
                continue
            yield self._with_now(self._take_over, asked, fetch=False)
            rows = yield self._with_now(self._look, asked, fetch=True)
            if rows and (found := claim_from_row(rows[0], token, fingerprint)):
                return found
        raise StoreUnavailable("the event's row changes faster than it can be read: the provider's retry settles it")

    def complete(self, key: StoreKey, token: bytes, retention: float, reply: bytes | None) -> Steps:
        """Return whether the token held the claim; the event is done then."""
        values = {"id": key.idempotency_key, "token": token, "retention": retention, "reply": reply}
        return self._held(self._complete, values, state=2)

    def release(self, key: StoreKey, token: bytes) -> Steps:
        """Return whether the token held the claim; it is released then."""
        values = {"id": key.idempotency_key, "token": token}
        changed: int = yield self._with_now(self._release, values, fetch=False)
        return changed > 0

    def extend(self, key: StoreKey, token: bytes, lease: float) -> Steps:
        """Return whether the token holds the claim; it is extended then."""
        return self._held(self._extend, {"id": key.idempotency_key, "token": token, "lease": lease}, state=1)

    def purge(self, limit: int) -> Steps:
        """Return how many expired rows were deleted."""
        return (yield self._with_now(self._purge, {"limit": limit}, fetch=False))

    def forget(self, key: StoreKey) -> Steps:
        """Return whether there was a row to delete."""
        changed: int = yield Statement(self._forget, {"id": key.idempotency_key}, fetch=False)
        return changed > 0

    def state(self, limit: int) -> Steps:
        """Return the database's time, about how many events it holds, how many have expired, and whether it is writable.

        Expired events are counted up to ``limit``.
        """
        schema, _, plain = self.table.rpartition(".")
        named: dict[str, dict[str, Any]] = {
            "postgresql": {"table": self.table},
            "mysql": {"schema": schema or None, "plain": plain},
            "sqlite": {},
        }
        at = named[self.database]
        ((now, events, writable),) = yield self._with_now(self._state, at, fetch=True)
        ((expired,),) = yield self._with_now(self._expired, {"limit": limit}, fetch=True)
        return float(now), int(events), int(expired), bool(writable)

    def look(self, key: StoreKey, token: bytes, fingerprint: bytes) -> Steps:
        """Return the Claim if the event cannot be acquired now, else None. Writes and locks nothing."""
        rows = yield self._with_now(self._look, {"id": key.idempotency_key}, fetch=True)
        return claim_from_row(rows[0], token, fingerprint) if rows else None

    def lock(self, key: StoreKey) -> Steps:
        """Lock the event without waiting, and return whether that worked: for a claim that stays uncommitted for long.

        PostgreSQL frees the lock with the transaction. MySQL's lock belongs to the connection: :meth:`unlock` it. SQLite has
        no such locks, and one writer at a time.
        """
        if self.database == "postgresql":
            number = int.from_bytes(self._lock_name(key)[:8], "big", signed=True)
            rows = yield Statement("SELECT pg_try_advisory_xact_lock(CAST(:number AS bigint))", {"number": number}, fetch=True)
        elif self.database == "mysql":
            # MySQL's locks are shared by the whole server, and their names have at most 64 characters.
            sql = "SELECT GET_LOCK(SHA2(CONCAT(COALESCE(DATABASE(), ''), :name), 256), 0)"
            rows = yield Statement(sql, {"name": self._lock_name(key).hex()}, fetch=True)
        else:
            return True
        if rows[0][0] is None:
            raise StoreUnavailable("the database could not report whether another worker holds the event")
        return bool(rows[0][0])

    def unlock(self, key: StoreKey) -> Steps:
        """Free the lock of :meth:`lock` if the end of the transaction does not free it."""
        if self.database == "mysql":
            sql = "SELECT RELEASE_LOCK(SHA2(CONCAT(COALESCE(DATABASE(), ''), :name), 256))"
            yield Statement(sql, {"name": self._lock_name(key).hex()}, fetch=True)

    def _lock_name(self, key: StoreKey) -> bytes:
        return hashlib.sha256(f"{self.table}\0{key.idempotency_key}".encode()).digest()

    def _held(self, sql: str, values: dict[str, Any], state: int) -> Steps:
        if (yield self._with_now(sql, values, fetch=False)) > 0:
            return True
        # Drivers may not count a row that was updated to the same values, so the row itself is read.
        rows = yield self._with_now(self._look, {"id": values["id"]}, fetch=True)
        if not rows:
            return False
        found, token, _, _, expires_at, _, _, now = rows[0]
        return found == state and bytes(token) == values["token"] and expires_at > now

    def _with_now(self, sql: str, values: dict[str, Any], *, fetch: bool) -> Statement:
        if self._given:
            values = values | {"now": self._clock() if self._clock is not None else time.time()}
        return Statement(sql, values, fetch)


def claim_from_row(row: tuple[Any, ...], token: bytes, fingerprint: bytes) -> Claim | None:
    """Return the answer for a row that stays unchanged, or None if the claim may be taken.

    The row is state, token, fingerprint, lease_until, expires_at, attempt, reply, now.
    """
    state, held_by, first, lease_until, expires_at, attempt, reply, now = row
    if expires_at <= now or state == 0:
        return None
    same = bytes(first) == fingerprint
    if state == 2:
        return Claim(ClaimStatus.DONE, attempt, 0.0, same, None if reply is None else bytes(reply))
    if bytes(held_by) == token:
        return Claim(ClaimStatus.ACQUIRED, attempt, 0.0, same)
    if lease_until > now:
        return Claim(ClaimStatus.IN_PROGRESS, attempt, lease_until - now, same)
    return None
