"""Mistakes in SQL: our own statements on SQLite, one of them with something left out or put in."""

import sqlite3
import threading

from hookguard.store import Capabilities
from hookguard.stores.statements import Statements

_TABLE = """
CREATE TABLE hookguard_event (
    id TEXT PRIMARY KEY, scope TEXT, event_id TEXT, state INTEGER, token BLOB, fingerprint BLOB, claimed_at REAL,
    lease_until REAL, expires_at REAL, attempt INTEGER, reply BLOB
)
"""

#: Each fault: the statement, the right text, and the wrong text in its place.
WRONG = {
    "completes for any token": ("_complete", " AND token = :token", ""),
    "completes what was released": ("_complete", "state IN (1, 2)", "state IN (0, 1, 2)"),
    "completes what has expired": ("_complete", " AND expires_at > :now", ""),
    "completing again prolongs": (
        "_complete",
        "CASE WHEN state = 1 THEN :now + :retention ELSE expires_at END",
        ":now + :retention",
    ),
    "completing again changes the reply": ("_complete", "CASE WHEN state = 1 THEN :reply ELSE reply END", ":reply"),
    "releases for any token": ("_release", " AND token = :token", ""),
    "releases what is done": ("_release", " AND state = 1", ""),
    "releases by deleting": (
        "_release",
        "UPDATE hookguard_event SET state = 0, lease_until = :now",
        "DELETE FROM hookguard_event",
    ),
    "extends for any token": ("_extend", " AND token = :token", ""),
    "extends what is over": ("_extend", " AND state = 1", ""),
    "extending forgets the retention": ("_extend", " + (expires_at - lease_until)", ""),
    "a lease is never over": ("_upsert", "held.lease_until <= :now", "0"),
    "a lease is over at once": ("_upsert", "held.lease_until <= :now", "1"),
    "takes over what is done": ("_upsert", "held.state = 0", "held.state IN (0, 2)"),
    "never runs again what was released": ("_upsert", "held.state = 0", "0"),
    "the last fingerprint stays": (
        "_upsert",
        "CASE WHEN held.expires_at <= :now THEN excluded.fingerprint ELSE held.fingerprint END",
        "excluded.fingerprint",
    ),
    "the first fingerprint stays for ever": (
        "_upsert",
        "CASE WHEN held.expires_at <= :now THEN excluded.fingerprint ELSE held.fingerprint END",
        "held.fingerprint",
    ),
    "attempts never start anew": (
        "_upsert",
        "CASE WHEN held.expires_at <= :now THEN 1 ELSE held.attempt + 1 END",
        "held.attempt + 1",
    ),
    "attempts are not counted": ("_upsert", "CASE WHEN held.expires_at <= :now THEN 1 ELSE held.attempt + 1 END", "1"),
    "a claim vanishes before its retention": ("_upsert", ":now + :lease + :retention", ":now + :lease"),
    "purges what only lapsed": ("_purge", "expires_at <= :now", "lease_until <= :now"),
    "purges without a limit": ("_purge", " LIMIT :limit", ""),
    "forgets nothing": ("_forget", "WHERE id = :id", "WHERE id = :id AND 0"),
}


class SQLShaped:
    """A store on one connection."""

    capabilities = Capabilities(durable=False, shared=False, transactional=False, may_forget=False, clock="client", blocking=True)

    def __init__(self, clock, wrong=None):
        self._steps = Statements("sqlite", clock=clock)
        if wrong is not None:
            name, right, instead = WRONG[wrong]
            text = getattr(self._steps, name)
            assert right in text, f"{name} has changed, and {right!r} is not in it any more"
            setattr(self._steps, name, text.replace(right, instead))
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._connection.execute(_TABLE)

    def _run(self, steps):
        found = None
        with self._lock:
            try:
                while True:
                    statement = steps.send(found)
                    cursor = self._connection.execute(statement.sql, statement.values)
                    found = cursor.fetchall() if statement.fetch else cursor.rowcount
            except StopIteration as done:
                return done.value

    def claim(self, key, *, token, fingerprint, lease, retention):
        return self._run(self._steps.claim(key, token, fingerprint, lease, retention))

    def complete(self, key, *, token, retention, reply=None):
        return self._run(self._steps.complete(key, token, retention, reply))

    def release(self, key, *, token):
        return self._run(self._steps.release(key, token))

    def extend(self, key, *, token, lease):
        return self._run(self._steps.extend(key, token, lease))

    def purge(self, *, limit):
        return self._run(self._steps.purge(limit))

    def forget(self, key):
        return self._run(self._steps.forget(key))

    def close(self):
        self._connection.close()
