"""The inbox's table in a SQLite file, and the keys of its events in the table of claims beside it."""

from __future__ import annotations

from typing import Final

from hookguard.inbox.contract import Kept, Put
from hookguard.store import StoreKey
from hookguard.stores.inbox_keys import put_from_row
from hookguard.stores.inbox_sql import INBOX_TABLE
from hookguard.stores.inbox_statements import InboxSteps
from hookguard.stores.statements import Statement

__all__ = ["INBOX_COLUMNS", "INBOX_SCHEMA", "ClaimKeys"]

#: When the key of an event ends that has entries: the last second of the year 9999.
_FOREVER: Final = 253402300799.0

# The look for what is due, the head of a line, what is to be pruned: partial indexes, which hold only such entries.
INBOX_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS {INBOX_TABLE} (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    part TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    scope TEXT NOT NULL,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    state INTEGER NOT NULL,
    due_at REAL,
    token BLOB,
    attempt INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    received_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    prune_at REAL,
    retention REAL NOT NULL,
    line TEXT,
    held_line TEXT UNIQUE,
    reason TEXT,
    head TEXT NOT NULL,
    body BLOB NOT NULL,
    content BLOB,
    UNIQUE (id, part)
);
CREATE INDEX IF NOT EXISTS hookguard_inbox_due ON {INBOX_TABLE} (endpoint, part, due_at, state) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS hookguard_inbox_line ON {INBOX_TABLE} (line, seq) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS hookguard_inbox_prune ON {INBOX_TABLE} (prune_at, endpoint, part, state) WHERE prune_at IS NOT NULL;
"""

INBOX_COLUMNS = {
    "seq": 1,
    **dict.fromkeys(("id", "part", "endpoint", "scope", "event_id", "event_type", "state", "due_at", "token", "attempt"), 0),
    **dict.fromkeys(("crashes", "received_at", "changed_at", "prune_at", "retention", "line", "held_line", "reason"), 0),
    **dict.fromkeys(("head", "body", "content"), 0),
}

_NEW_KEY = """
INSERT INTO hookguard_claim (scope, id, state, token, fingerprint, lease_until, expires_at, attempt)
VALUES (:scope, :id, 2, :token, :fingerprint, :now, :forever, 1)
ON CONFLICT (scope, id) DO NOTHING
"""

_TAKE_KEY = """
UPDATE hookguard_claim SET state = 2, token = :token, lease_until = :now, expires_at = :forever, reply = NULL, attempt = 1,
    fingerprint = CASE WHEN expires_at <= :now THEN :fingerprint ELSE fingerprint END
WHERE scope = :scope AND id = :id
"""

_LOOK_KEY = "SELECT state, fingerprint, lease_until, expires_at FROM hookguard_claim WHERE scope = :scope AND id = :id"

_REMEMBER = "UPDATE hookguard_claim SET expires_at = :until WHERE scope = :scope AND id = :id AND state = 2"

_FORGET_KEY = "DELETE FROM hookguard_claim WHERE scope = :scope AND id = :id"


class ClaimKeys:
    """The keys in this store's own table of claims."""

    def occupy(self, event: Kept, now: float) -> InboxSteps:
        """See Keys."""
        at = event.key._asdict()
        values = {**at, "token": b"", "fingerprint": event.fingerprint, "now": now, "forever": _FOREVER}
        if (yield Statement(_NEW_KEY, values, fetch=False)) > 0:
            return None
        found: Put | None = yield from self.known(event, now)
        if found is None:
            yield Statement(_TAKE_KEY, values, fetch=False)
        return found

    def known(self, event: Kept, now: float) -> InboxSteps:
        """See Keys."""
        rows = yield Statement(_LOOK_KEY, event.key._asdict(), fetch=True)
        return put_from_row(rows[0], event, now) if rows else None

    def remember(self, key: StoreKey, until: float) -> InboxSteps:
        """See Keys."""
        yield Statement(_REMEMBER, {**key._asdict(), "until": until}, fetch=False)

    def forget(self, key: StoreKey) -> InboxSteps:
        """See Keys."""
        return (yield Statement(_FORGET_KEY, key._asdict(), fetch=False))
