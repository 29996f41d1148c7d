"""The SQL of the inbox on PostgreSQL, MySQL and MariaDB, where it differs from :mod:`hookguard.stores.inbox_sql`.

Both are templates. :class:`ServerSQL` writes them for one database: with the names of the tables, the server's clock, and, on
PostgreSQL, a cast of each parameter to a type that suits its column. (Without it, some drivers send a text for a ``char(64)``
column, and the server reads the whole table.)
"""

from __future__ import annotations

import re
from typing import Final

from hookguard.inbox.contract import CRASHES
from hookguard.stores import inbox_sql as base
from hookguard.stores.inbox_sql import INBOX_TABLE
from hookguard.stores.statements import Database

__all__ = [
    "COUNT_LIVE",
    "DELETE",
    "EXPIRE",
    "FIND",
    "FOREVER",
    "FORGET_KEY",
    "HELD",
    "HOLD",
    "LOCK_DIED",
    "LOCK_DUE",
    "LOCK_ENTRIES",
    "LOCK_ENTRY",
    "LOCK_KEYS",
    "LOCK_LAPSED",
    "LOCK_LAPSED_ONE",
    "LOCK_OLD",
    "LOCK_ONE",
    "LOOK",
    "LOOK_DUE",
    "LOOK_ENTRY",
    "LOOK_KEY",
    "LOOK_LAPSED",
    "NEW_KEY",
    "PUT",
    "STORE",
    "TAKE",
    "TAKE_KEY",
    "ServerSQL",
    "inbox_table_name",
    "lapsed",
]

#: The year 9999, in seconds: the key of an event has no end as long as an entry of it is there.
FOREVER: Final = 253402300799

_EVENTS: Final = "hookguard_event"

_WRITTEN: Final[dict[Database, str]] = {
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS double precision)",
    "mysql": "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1e6)",
}

#: In a condition. An instant that may change from row to row cannot use the index.
_COMPARED: Final[dict[Database, str]] = {
    **_WRITTEN,
    "postgresql": "CAST(EXTRACT(EPOCH FROM statement_timestamp()) AS double precision)",
}

_CONDITION: Final = re.compile(r"(<=|>) :now\b")
_PARAMETER: Final = re.compile(r"(?<!:):([a-z_]+?)([0-9]*)\b")

_DOUBLE: Final = "double precision"

#: PostgreSQL's types of the parameters, whose numbers are left out.
_TYPES: Final = {
    # Of ids too, whose columns are varchar(64) or char(64): a char parameter finds the former by reading the whole table.
    **dict.fromkeys(("id", "line", "part", "endpoint", "scope", "event_id", "event_type", "reason", "begins"), "varchar"),
    "head": "text",
    **dict.fromkeys(("given", "parts"), "json"),
    **dict.fromkeys(("body", "content", "own", "token", "tokens", "nothing", "fingerprint"), "bytea"),
    **dict.fromkeys(("now", "wait", "lease", "after", "keep", "keep_dead", "retention"), _DOUBLE),
    **dict.fromkeys(("seq", "before", "limit"), "bigint"),
    **dict.fromkeys(("state", "tries"), "integer"),
    "any_body": "boolean",
}

_KEY_VALUES: Final = f"VALUES (:id, :scope, :event_id, 2, :token, :fingerprint, :now, :now, {FOREVER}, 1)"
_KEY_COLUMNS: Final = "(id, scope, event_id, state, token, fingerprint, claimed_at, lease_until, expires_at, attempt)"

_ENTRY_COLUMNS: Final = """
(id, part, line, endpoint, scope, event_id, event_type, state, due_at, attempt, crashes, received_at, changed_at, retention,
    head, body, content)
"""

_ENTRY_VALUES: Final = """
:endpoint, :scope, :event_id, :event_type, 0, :now, 0, 0, :now, :now, :retention, :head, :body, :content
"""

#: PostgreSQL: the key and its entries in one statement. No row: the key is not free, or its entries are there.
PUT: Final = f"""
WITH new AS (
    INSERT INTO hookguard_event AS held {_KEY_COLUMNS} {_KEY_VALUES}
    ON CONFLICT (id) DO UPDATE SET
        state = 2, token = excluded.token, attempt = 1, reply = NULL,
        fingerprint = CASE WHEN held.expires_at <= :now THEN excluded.fingerprint ELSE held.fingerprint END,
        claimed_at = excluded.claimed_at, lease_until = excluded.lease_until, expires_at = excluded.expires_at
    WHERE held.expires_at <= :now OR ((held.state = 0 OR (held.state = 1 AND held.lease_until <= :now))
        AND (:any_body OR held.fingerprint = :fingerprint))
    RETURNING id)
INSERT INTO hookguard_inbox AS h {_ENTRY_COLUMNS}
SELECT new.id, p.part, p.line, {_ENTRY_VALUES} FROM new CROSS JOIN (VALUES {{parts}}) AS p(part, line)
ON CONFLICT (id, part) DO UPDATE SET
    event_type = excluded.event_type, state = 0, due_at = excluded.due_at, token = NULL, held_line = NULL, attempt = 0,
    crashes = 0, received_at = excluded.received_at, changed_at = excluded.changed_at, prune_at = NULL,
    retention = excluded.retention, reason = NULL, head = excluded.head, body = excluded.body, content = excluded.content
WHERE h.state IN (2, 3)
RETURNING seq
"""  # noqa: S608 - made of constants

LOOK_KEY: Final = "SELECT state, fingerprint, lease_until, expires_at, :now FROM hookguard_event WHERE id = :id {lock}"

# MySQL.
NEW_KEY: Final = f"INSERT IGNORE INTO hookguard_event {_KEY_COLUMNS} {_KEY_VALUES}"

TAKE_KEY: Final = f"""
UPDATE hookguard_event SET fingerprint = CASE WHEN expires_at <= :now THEN :fingerprint ELSE fingerprint END,
    state = 2, token = :token, lease_until = :now, expires_at = {FOREVER}, reply = NULL, attempt = 1 WHERE id = :id
"""  # noqa: S608 - made of constants


def _unless_live(*names: str) -> str:
    """Return MySQL's assignments for an entry that is there: only a done or dead one takes the new values."""
    return ", ".join(f"{name} = CASE WHEN state IN (2, 3) THEN VALUES({name}) ELSE {name} END" for name in names)


STORE: Final = f"""
INSERT INTO hookguard_inbox {_ENTRY_COLUMNS} VALUES (:id, :part, :line, {_ENTRY_VALUES})
ON DUPLICATE KEY UPDATE {
    _unless_live(
        *("event_type", "due_at", "attempt", "crashes", "received_at", "changed_at", "retention", "head", "body", "content"),
        *("token", "held_line", "prune_at", "reason"),
    )
}, state = CASE WHEN state IN (2, 3) THEN 0 ELSE state END
"""  # noqa: S608 - made of constants

#: Whether anything can be taken: with both states named, the index is used.
LOOK: Final = base.LOOK.replace(" i WHERE ", " i WHERE state IN (0, 1) AND ", 1)

# The same as two statements: each reads its first row in the order of the index.
LOOK_DUE: Final = base.DUE.replace(":limit", "1")

LOOK_LAPSED: Final = """
SELECT seq FROM hookguard_inbox WHERE endpoint = :endpoint AND part = :part AND state = 1 AND due_at <= :now
ORDER BY due_at LIMIT 1
"""

#: MySQL; of two workers only one reports them.
LOCK_DIED: Final = f"{base.DIED} FOR UPDATE SKIP LOCKED"

LOCK_DUE: Final = f"{base.DUE} FOR UPDATE SKIP LOCKED"

#: A transaction that handles an entry keeps it locked, and its lease may be over. Besides, MySQL locks whatever an UPDATE reads
#: on its way, and two of them would wait for each other.
LOCK_LAPSED: Final = """
SELECT seq FROM hookguard_inbox WHERE endpoint = :endpoint AND part = :part AND state = 1 AND due_at <= :now
FOR UPDATE SKIP LOCKED
"""

LOCK_LAPSED_ONE: Final = """
SELECT seq FROM hookguard_inbox WHERE id = :id AND part = :part AND state = 1 AND due_at <= :now AND {survives}
FOR UPDATE SKIP LOCKED
""".replace("{survives}", base.SURVIVES)


def lapsed(lock: str) -> str:
    """Return PostgreSQL's one statement that frees the entries which a ``lock`` finds; its rows are those that died."""
    update = base.LAPSED_SEVERAL.replace("IN ({seqs})", f"= ANY (ARRAY({lock}))")
    return f"WITH freed AS ({update} RETURNING {base.COLUMNS}) SELECT {base.COLUMNS} FROM freed WHERE crashes >= {CRASHES}"  # noqa: S608 - made of constants


LOCK_ONE: Final = f"{base.ONE} FOR UPDATE SKIP LOCKED"

#: MySQL; ``tokens`` and ``seqs`` are filled in.
HOLD: Final = """
UPDATE hookguard_inbox SET state = 1, token = CASE seq {tokens} END, due_at = :now + :lease, attempt = attempt + 1,
    held_line = line, changed_at = :now WHERE seq IN ({seqs})
"""

HELD: Final = f"SELECT {base.COLUMNS} FROM hookguard_inbox WHERE seq IN ({{seqs}})"  # noqa: S608 - made of constants

#: PostgreSQL; ``due`` is LOCK_DUE or LOCK_ONE. ``tokens`` holds one of 16 bytes for each entry.
TAKE: Final = f"""
WITH due AS ({{due}}), n AS (SELECT seq, row_number() OVER () AS place FROM due)
UPDATE hookguard_inbox h SET state = 1, token = substring(:tokens FROM CAST(n.place * 16 - 15 AS integer) FOR 16),
    due_at = :now + :lease, attempt = attempt + 1, held_line = line, changed_at = :now
FROM n WHERE h.seq = n.seq
RETURNING n.place, {", ".join(f"h.{name.strip()}" for name in base.COLUMNS.split(","))}
"""  # noqa: S608 - made of constants

LOCK_OLD: Final = """
SELECT seq, id, retention FROM hookguard_inbox WHERE prune_at <= :now ORDER BY prune_at LIMIT :limit FOR UPDATE SKIP LOCKED
"""

LOCK_ENTRY: Final = """
SELECT seq, id, retention FROM hookguard_inbox WHERE id = :id AND part = :part AND state <> 1 FOR UPDATE
"""

LOOK_ENTRY: Final = "SELECT 1 FROM hookguard_inbox WHERE id = :id AND part = :part AND state <> 1"

LOCK_ENTRIES: Final = "SELECT seq, due_at FROM hookguard_inbox WHERE id = :id FOR UPDATE"

DELETE: Final = "DELETE FROM hookguard_inbox WHERE seq IN ({seqs})"

#: Before entries go: of two that delete an event's last two entries, the second must see that the first one's is gone.
LOCK_KEYS: Final = "SELECT id FROM hookguard_event WHERE id IN ({ids}) ORDER BY id FOR UPDATE"

#: The keys whose last entry is gone.
EXPIRE: Final = """
UPDATE hookguard_event SET expires_at = :now + :retention WHERE id IN ({ids}) AND state = 2
    AND NOT EXISTS (SELECT 1 FROM hookguard_inbox o WHERE o.id = hookguard_event.id)
"""

FORGET_KEY: Final = "DELETE FROM hookguard_event WHERE id = :id"

COUNT_LIVE: Final = """
SELECT endpoint, part, state, COUNT(*), MIN(due_at), :now FROM hookguard_inbox WHERE due_at IS NOT NULL
GROUP BY endpoint, part, state
"""

FIND: Final = """
SELECT seq, id, part, endpoint, state, scope, event_id, event_type, attempt, crashes, received_at, changed_at, due_at, reason,
    LENGTH(body) FROM hookguard_inbox WHERE {conditions} ORDER BY seq DESC LIMIT :limit
"""


class ServerSQL:
    """Writes templates for one database. ``given``: the clock is the parameter ``now``, for tests, and not the server's."""

    def __init__(self, database: Database, events: str, entries: str, *, given: bool) -> None:
        self.database: Database = database
        self._tables = {_EVENTS: events, INBOX_TABLE: entries}
        self._given = given
        self._written: dict[str, str] = {}

    def write(self, template: str) -> str:
        """Return the SQL; it is kept for the next time."""
        if (found := self._written.get(template)) is None:
            if len(self._written) > 500:
                self._written.clear()
            found = self._written[template] = self._write(template)
        return found

    def _write(self, template: str) -> str:
        sql = re.sub("|".join(self._tables), lambda found: self._tables[found[0]], template)
        if self._given:
            return sql.replace(":now", "(:now + 0e0)") if self.database == "mysql" else _PARAMETER.sub(_cast, sql)
        sql = _CONDITION.sub(lambda found: f"{found[1]} {_COMPARED[self.database]}", sql)
        sql = sql.replace(":now", _WRITTEN[self.database])
        return sql if self.database == "mysql" else _PARAMETER.sub(_cast, sql)


def _cast(found: re.Match[str]) -> str:
    return f"CAST({found[0]} AS {_TYPES[found[1]]})"


def inbox_table_name(events: str) -> str:
    """Return the name of the inbox's table beside a table of events: hookguard_inbox beside hookguard_event."""
    return f"{events.removesuffix('_event')}_inbox"
