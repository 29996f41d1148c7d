"""The SQL of the inbox: the statements of :mod:`hookguard.stores.inbox_statements`, which explains the columns."""

from __future__ import annotations

from typing import Final

from hookguard.inbox.contract import CRASHES

__all__ = [
    "AGAIN",
    "BEGIN",
    "COLUMNS",
    "COMPLETE",
    "COMPLETED",
    "COUNT_KEPT",
    "COUNT_LIVE",
    "DEAD",
    "DIED",
    "DROP",
    "DUE",
    "EXTEND",
    "FIND",
    "FIND_WHOLE",
    "FORGET",
    "GIVE_BACK",
    "GIVE_UP",
    "HOLD",
    "INBOX_TABLE",
    "LAPSED",
    "LAPSED_ONE",
    "LAPSED_SEVERAL",
    "LIVE",
    "LOOK",
    "ONE",
    "OPEN",
    "OTHERS",
    "PRUNE",
    "RELEASE",
    "RERUN",
    "STORE",
    "SURVIVES",
]

INBOX_TABLE: Final = "hookguard_inbox"

#: The columns of a Held.
COLUMNS: Final = """
seq, id, part, endpoint, scope, event_id, event_type, token, attempt, crashes, received_at, retention, line, head, body, content
"""

_LANE = "endpoint = :endpoint AND part = :part"

_ENTRY = "id = :id AND part = :part"

#: The first of a line that nobody holds. Entries without a line are always first.
_FIRST = """
(i.line IS NULL OR (
    NOT EXISTS (SELECT 1 FROM hookguard_inbox e WHERE e.line = i.line AND e.seq < i.seq AND e.due_at IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM hookguard_inbox h WHERE h.held_line = i.line)))
"""


def _sql(template: str, **parts: str) -> str:
    known = {"columns": COLUMNS, "lane": _LANE, "entry": _ENTRY, "first": _FIRST, "crashes": str(CRASHES)}
    known["mine"] = f"WHERE {_ENTRY} AND token = :token AND state = 1"
    return template.format(**known, **parts)


STORE: Final = """
INSERT INTO hookguard_inbox (id, part, endpoint, scope, event_id, event_type, state, due_at, attempt, crashes, received_at,
    changed_at, retention, line, head, body, content)
VALUES (:id, :part, :endpoint, :scope, :event_id, :event_type, 0, :now, 0, 0, :now,
    :now, :retention, :line, :head, :body, :content)
ON CONFLICT (id, part) DO UPDATE SET
    event_type = excluded.event_type, state = 0, due_at = excluded.due_at, token = NULL, held_line = NULL, attempt = 0,
    crashes = 0, received_at = excluded.received_at, changed_at = excluded.changed_at, prune_at = NULL,
    retention = excluded.retention, reason = NULL, head = excluded.head, body = excluded.body, content = excluded.content
WHERE hookguard_inbox.state IN (2, 3)
"""

#: The new delivery takes the old one's place: its URL may be the one that is right now.
AGAIN: Final = """
UPDATE hookguard_inbox SET state = 0, due_at = :now, attempt = 0, crashes = 0, received_at = :now, changed_at = :now,
    prune_at = NULL, head = :head, body = :body, content = :content, retention = :retention
WHERE id = :id AND state = 3
"""

DEAD: Final = "SELECT 1 FROM hookguard_inbox WHERE id = :id AND state = 3 LIMIT 1"

#: MySQL assigns from left to right, so a column that others are computed from comes last.
_LAPSED = """
UPDATE hookguard_inbox SET token = NULL, held_line = NULL, changed_at = :now,
    state = CASE WHEN crashes + 1 < {crashes} THEN 0 ELSE 3 END,
    due_at = CASE crashes WHEN 0 THEN due_at WHEN 1 THEN :now + :wait2 WHEN 2 THEN :now + :wait3 WHEN 3 THEN :now + :wait4 END,
    prune_at = CASE WHEN crashes + 1 < {crashes} THEN NULL ELSE :now + :keep_dead END,
    reason = CASE WHEN crashes + 1 < {crashes} THEN reason ELSE 'its worker died {crashes} times' END,
    crashes = crashes + 1
WHERE {where} AND state = 1 AND due_at <= :now
"""

LAPSED: Final = _sql(_LAPSED, where=_LANE)
#: The last crash is left to ``take``, which reports an entry that is dead.
SURVIVES: Final = f"crashes + 1 < {CRASHES}"
LAPSED_ONE: Final = _sql(_LAPSED, where=f"{_ENTRY} AND {SURVIVES}")
#: ``seqs`` is filled in.
LAPSED_SEVERAL: Final = _sql(_LAPSED, where="seq IN ({seqs})")

#: Those that LAPSED makes dead now.
DIED: Final = _sql(
    "SELECT {columns} FROM hookguard_inbox WHERE {lane} AND state = 1 AND due_at <= :now AND crashes >= {crashes} - 1"
)

LOOK: Final = _sql("SELECT 1 FROM hookguard_inbox i WHERE {lane} AND due_at <= :now AND (state = 1 OR {first}) LIMIT 1")

DUE: Final = _sql("""
SELECT seq FROM hookguard_inbox i WHERE {lane} AND state = 0 AND due_at <= :now AND {first} ORDER BY due_at, seq LIMIT :limit
""")

ONE: Final = _sql("SELECT seq FROM hookguard_inbox i WHERE {entry} AND state = 0 AND {first}")

HOLD: Final = _sql("""
UPDATE hookguard_inbox SET state = 1, token = :token, due_at = :now + :lease, attempt = attempt + 1, held_line = line,
    changed_at = :now
WHERE seq = :seq RETURNING {columns}
""")

#: The token stays: a completion whose answer got lost is asked for once more. With nothing to keep, the body goes now.
COMPLETE: Final = _sql("""
UPDATE hookguard_inbox SET state = 2, due_at = NULL, held_line = NULL, changed_at = :now, prune_at = :now + :keep,
    body = CASE WHEN :keep > 0 THEN body ELSE :nothing END, content = CASE WHEN :keep > 0 THEN content END {mine}
""")

COMPLETED: Final = _sql("SELECT 1 FROM hookguard_inbox WHERE {entry} AND token = :token AND state = 2")

#: The first statement of a handler's transaction. It locks the entry and gives it a token that nobody else has seen: a completion
#: with this token proves that the transaction is still the same. A rollback brings the worker's token back.
BEGIN: Final = _sql("UPDATE hookguard_inbox SET token = :own {mine}")

RELEASE: Final = _sql("""
UPDATE hookguard_inbox SET token = NULL, held_line = NULL, changed_at = :now, reason = :reason,
    state = CASE WHEN attempt - crashes < :tries THEN 0 ELSE 3 END,
    due_at = CASE WHEN attempt - crashes < :tries THEN :now + :after END,
    prune_at = CASE WHEN attempt - crashes < :tries THEN NULL ELSE :now + :keep_dead END {mine}
""")

EXTEND: Final = _sql("UPDATE hookguard_inbox SET due_at = :now + :lease {mine}")

GIVE_BACK: Final = _sql("""
UPDATE hookguard_inbox SET state = 0, token = NULL, held_line = NULL, due_at = :now + :after, changed_at = :now,
    attempt = attempt - 1 {mine}
""")

GIVE_UP: Final = _sql("""
UPDATE hookguard_inbox SET state = 3, token = NULL, held_line = NULL, due_at = NULL, changed_at = :now,
    prune_at = :now + :keep_dead, reason = :reason {mine}
""")

#: A done entry whose time is over may have no body any more.
RERUN: Final = _sql("""
UPDATE hookguard_inbox SET state = 0, due_at = :now, token = NULL, attempt = 0, crashes = 0, changed_at = :now,
    prune_at = NULL, reason = :reason
WHERE {entry} AND (state = 3 OR (state = 2 AND prune_at > :now))
""")

DROP: Final = _sql("DELETE FROM hookguard_inbox WHERE {entry} AND state <> 1 RETURNING id, scope, event_id, retention")

PRUNE: Final = """
DELETE FROM hookguard_inbox WHERE seq IN (
    SELECT seq FROM hookguard_inbox WHERE prune_at <= :now ORDER BY prune_at LIMIT :limit)
RETURNING id, scope, event_id, retention
"""

OTHERS: Final = "SELECT 1 FROM hookguard_inbox WHERE id = :id LIMIT 1"

COUNT_LIVE: Final = """
SELECT endpoint, part, state, COUNT(*), MIN(due_at) FROM hookguard_inbox WHERE due_at IS NOT NULL
GROUP BY endpoint, part, state
"""

COUNT_KEPT: Final = """
SELECT endpoint, part, state, COUNT(*), NULL FROM hookguard_inbox WHERE prune_at IS NOT NULL GROUP BY endpoint, part, state
"""

FIND: Final = """
SELECT seq, id, part, endpoint, state, scope, event_id, event_type, attempt, crashes, received_at, changed_at, due_at, reason,
    LENGTH(body) FROM hookguard_inbox
WHERE (:state IS NULL OR state = :state) AND (:endpoint IS NULL OR endpoint = :endpoint)
    AND (:event_type IS NULL OR event_type = :event_type) AND (:after IS NULL OR seq < :after)
    AND (:begins IS NULL OR SUBSTR(id, 1, LENGTH(:begins)) = :begins) AND (:part IS NULL OR part = :part)
ORDER BY seq DESC LIMIT :limit
"""

#: The same for a whole key, which the index finds: the beginning of a key makes SQLite read the whole table.
FIND_WHOLE: Final = FIND.replace("(:begins IS NULL OR SUBSTR(id, 1, LENGTH(:begins)) = :begins)", "id = :begins")

OPEN: Final = _sql("SELECT {columns} FROM hookguard_inbox WHERE {entry}")

LIVE: Final = "SELECT 1 FROM hookguard_inbox WHERE id = :id AND due_at IS NOT NULL LIMIT 1"

FORGET: Final = "DELETE FROM hookguard_inbox WHERE id = :id"
