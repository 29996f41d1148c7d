"""The table of claims in a SQLite file, and its statements; those for SQLAlchemy and Django are elsewhere."""

from __future__ import annotations

from typing import Any, Final

from hookguard.store import StoreKey

__all__ = [
    "CLAIM",
    "COLUMNS",
    "COMPLETE",
    "EXTEND",
    "FORGET",
    "INBOX",
    "LOOK",
    "PURGE",
    "PURGE_BATCH",
    "PURGE_EVERY",
    "RELEASE",
    "SCHEMA",
    "SQL_TABLE",
    "TABLE",
    "claim_arguments",
]

#: This store's table, and that of the SQL and Django stores, which may be in a file of SQLite too.
TABLE: Final = "hookguard_claim"
SQL_TABLE: Final = "hookguard_event"

# state: 0 released, 1 in progress, 2 done. WITHOUT ROWID keeps one B-tree: about 54 bytes less an id than with it.
SCHEMA = """
CREATE TABLE IF NOT EXISTS hookguard_claim (
    scope TEXT NOT NULL,
    id TEXT NOT NULL,
    state INTEGER NOT NULL,
    token BLOB NOT NULL,
    fingerprint BLOB NOT NULL,
    lease_until REAL NOT NULL,
    expires_at REAL NOT NULL,
    attempt INTEGER NOT NULL,
    reply BLOB,
    PRIMARY KEY (scope, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS hookguard_claim_expiry ON hookguard_claim (expires_at);
"""

#: The columns of the table, each with its place in the primary key (0: not part of it).
COLUMNS = {
    "scope": 1,
    "id": 2,
    **dict.fromkeys(("state", "token", "fingerprint", "lease_until", "expires_at", "attempt", "reply"), 0),
}

LOOK = """
SELECT state, token, fingerprint, lease_until, expires_at, attempt, reply FROM hookguard_claim WHERE scope = ? AND id = ?
"""

CLAIM = """
INSERT INTO hookguard_claim (scope, id, state, token, fingerprint, lease_until, expires_at, attempt)
VALUES (:scope, :id, 1, :token, :fingerprint, :lease_until, :expires_at, 1)
ON CONFLICT (scope, id) DO UPDATE SET
    state = 1,
    token = excluded.token,
    fingerprint = CASE WHEN expires_at <= :now THEN excluded.fingerprint ELSE fingerprint END,
    lease_until = excluded.lease_until,
    expires_at = excluded.expires_at,
    attempt = CASE WHEN expires_at <= :now THEN 1 ELSE attempt + 1 END,
    reply = NULL
WHERE expires_at <= :now OR state = 0 OR (state = 1 AND lease_until <= :now)
RETURNING attempt, fingerprint = :fingerprint
"""

COMPLETE = """
UPDATE hookguard_claim SET
    state = 2,
    reply = CASE WHEN state = 1 THEN :reply ELSE reply END,
    expires_at = CASE WHEN state = 1 THEN :now + :retention ELSE expires_at END
WHERE scope = :scope AND id = :id AND token = :token AND state IN (1, 2) AND expires_at > :now
"""

RELEASE = """
UPDATE hookguard_claim SET state = 0, lease_until = :now
WHERE scope = :scope AND id = :id AND token = :token AND state = 1 AND expires_at > :now
"""

EXTEND = """
UPDATE hookguard_claim SET lease_until = :now + :lease, expires_at = :now + :lease + (expires_at - lease_until)
WHERE scope = :scope AND id = :id AND token = :token AND state = 1 AND expires_at > :now
"""

PURGE = """
DELETE FROM hookguard_claim WHERE (scope, id) IN (
    SELECT scope, id FROM hookguard_claim WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit
)
"""

FORGET = "DELETE FROM hookguard_claim WHERE scope = :scope AND id = :id"

#: Whether the file holds an inbox too.
INBOX = "SELECT 1 FROM sqlite_master WHERE name = 'hookguard_inbox'"

#: After this many acquired claims, a few expired events are deleted. The file's size stays steady without a timer or a stall.
PURGE_EVERY = 64
PURGE_BATCH = 256


def claim_arguments(
    key: StoreKey, *, token: bytes, fingerprint: bytes, now: float, lease: float, retention: float
) -> dict[str, Any]:
    """Return the values of ``CLAIM``."""
    return {
        "scope": key.scope,
        "id": key.id,
        "token": token,
        "fingerprint": fingerprint,
        "now": now,
        "lease_until": now + lease,
        "expires_at": now + lease + retention,
    }
