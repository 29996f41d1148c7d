"""Records of deliveries in a SQLite file, beside the claims, on a connection of their own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Literal

from hookguard.stores.evidence_sql import DELIVERY_TABLE, SQLEvidence
from hookguard.stores.sqlite.database import Database
from hookguard.stores.sqlite.steps import job_of
from hookguard.stores.sqlite.writer import Writer
from hookguard.stores.statements import Steps

__all__ = ["SQLiteEvidence"]

EVIDENCE_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS {DELIVERY_TABLE} (
    seq INTEGER PRIMARY KEY,
    delivery TEXT NOT NULL UNIQUE,
    at REAL NOT NULL,
    endpoint TEXT NOT NULL,
    provider TEXT NOT NULL,
    tenant TEXT NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER,
    reason_code TEXT NOT NULL,
    findings TEXT NOT NULL,
    secret TEXT NOT NULL,
    scheme TEXT NOT NULL,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    duration REAL NOT NULL,
    signed_at REAL,
    body_size INTEGER NOT NULL,
    body_sha256 TEXT NOT NULL,
    content_sha256 TEXT NOT NULL,
    signature_sha256 TEXT NOT NULL,
    headers TEXT NOT NULL,
    address TEXT NOT NULL,
    note TEXT NOT NULL,
    keep_until REAL NOT NULL,
    body_until REAL,
    head TEXT,
    body BLOB
);
CREATE INDEX IF NOT EXISTS hookguard_delivery_hour ON {DELIVERY_TABLE} (endpoint, outcome, at);
CREATE INDEX IF NOT EXISTS hookguard_delivery_event ON {DELIVERY_TABLE} (event_id);
CREATE INDEX IF NOT EXISTS hookguard_delivery_keep ON {DELIVERY_TABLE} (keep_until);
CREATE INDEX IF NOT EXISTS hookguard_delivery_body ON {DELIVERY_TABLE} (body_until) WHERE body_until IS NOT NULL;
"""

EVIDENCE_COLUMNS = {
    "seq": 1,
    **dict.fromkeys(("delivery", "at", "endpoint", "provider", "tenant", "outcome", "status", "reason_code", "findings"), 0),
    **dict.fromkeys(("secret", "scheme", "event_id", "event_type", "attempt", "duration", "signed_at", "body_size"), 0),
    **dict.fromkeys(("body_sha256", "content_sha256", "signature_sha256", "headers", "address", "note", "keep_until"), 0),
    **dict.fromkeys(("body_until", "head", "body"), 0),
}


class SQLiteEvidence(SQLEvidence):
    """The evidence of a :class:`SQLiteStore`: see ``SQLiteStore.evidence``. Safe to share between threads.

    ``timeout`` is how many seconds a call may wait for other processes before it raises StoreUnavailable.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 5.0, clock: Callable[[], float] = time.time) -> None:
        self._database = Database(
            path,
            schema=EVIDENCE_SCHEMA,
            tables={DELIVERY_TABLE: EVIDENCE_COLUMNS},
            synchronous="NORMAL",
            timeout=timeout,
        )
        self._writer = Writer(self._database, timeout=timeout)
        super().__init__("sqlite", self._in_file, clock=clock)
        self._database.try_out()

    def close(self) -> None:
        """Close this process's connection; the next call opens another."""
        self._database.close()

    def _in_file(self, make: Callable[[], Steps], kind: Literal["read", "one", "together"]) -> Any:
        job = job_of(make)
        return self._writer.run(job, read=job if kind == "read" else None, single=kind == "one")

    def __repr__(self) -> str:
        return f"SQLiteEvidence({str(self._database.path)!r})"
