"""The records of deliveries as SQL, for every database: steps without I/O, as those of the claims.

Instants are by the clock of the process that writes: a record is a note, and nothing is decided by it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from hookguard.evidence.contract import HOURLY, LIMITED, DeliveryRecord, FoundCause, HeadFact, KeptBody
from hookguard.stores.statements import Database, Statement, Steps

__all__ = ["DELIVERY_TABLE", "Perform", "SQLEvidence", "evidence_table_name"]

DELIVERY_TABLE: Final = "hookguard_delivery"

#: The columns in the order in which they are read, without the body and its head.
_COLUMNS: Final = (
    *("seq", "delivery", "at", "endpoint", "provider", "tenant", "outcome", "status", "reason_code", "findings", "secret"),
    *("scheme", "event_id", "event_type", "attempt", "duration", "signed_at", "body_size", "body_sha256", "content_sha256"),
    *("signature_sha256", "headers", "address", "note", "keep_until", "body_until"),
)
_WRITTEN: Final = (*_COLUMNS[1:], "head", "body")

#: Characters that the texts may have: a sender chooses some of them.
LENGTHS: Final = {
    **dict.fromkeys(("endpoint", "provider", "tenant", "secret", "scheme", "event_id", "event_type"), 255),
    "outcome": 32,
    "reason_code": 64,
    "findings": 1024,
    "note": 1024,
    "address": 64,
}

_HOUR: Final = 3600.0

#: In SQLite and PostgreSQL a change has no LIMIT of its own.
_SOME: Final = " WHERE seq IN (SELECT seq FROM {table} WHERE {until} <= :now ORDER BY {until} LIMIT :limit)"
_SOME_IN_MYSQL: Final = " WHERE {until} <= :now ORDER BY {until} LIMIT :limit"


def evidence_table_name(events: str) -> str:
    """Return the name of the table of records beside a table of events: hookguard_delivery beside hookguard_event."""
    return f"{events.removesuffix('_event')}_delivery"


#: Runs steps on a connection of the store's: steps that only read, one statement that writes, or several in one transaction.
Perform = Callable[[Callable[[], Steps], Literal["read", "one", "together"]], Any]


class SQLEvidence:
    """Records in one table."""

    def __init__(
        self,
        database: Database,
        perform: Perform,
        *,
        table: str = DELIVERY_TABLE,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.table = table
        self._perform = perform
        self._clock = clock or time.time
        into = f"INTO {table} ({', '.join(_WRITTEN)}) VALUES ({', '.join(f':{name}' for name in _WRITTEN)})"
        self._insert = f"INSERT IGNORE {into}" if database == "mysql" else f"INSERT {into} ON CONFLICT (delivery) DO NOTHING"
        some = _SOME_IN_MYSQL if database == "mysql" else _SOME
        empty = "SET body = NULL, head = NULL, body_until = NULL"
        self._empty = f"UPDATE {table} {empty}{some.format(table=table, until='body_until')}"
        self._delete = f"DELETE FROM {table}{some.format(table=table, until='keep_until')}"  # noqa: S608 - a table's name
        self._forget = (
            f"UPDATE {table} {empty}, event_id = '', tenant = '', headers = '[]', body_sha256 = '', content_sha256 = '',"
            " signature_sha256 = '', address = '' WHERE event_id = :event_id"
        )

    def write(self, records: Sequence[tuple[DeliveryRecord, KeptBody | None]]) -> int:
        """Store records, and return how many."""
        return int(self._perform(lambda: self._write(records), "together")) if records else 0

    def explain(self, delivery: str, findings: Sequence[FoundCause]) -> bool:
        """Add what an autopsy found to a record; False if there is no such record."""
        sql = f"UPDATE {self.table} SET findings = :findings WHERE delivery = :delivery"  # noqa: S608 - a table's name
        return bool(self._one(sql, {"findings": _written(findings), "delivery": delivery}))

    def find(
        self,
        *,
        delivery: str = "",
        rejected: bool = False,
        cause: str | None = None,
        endpoint: str | None = None,
        since: float | None = None,
        after: int | None = None,
        limit: int,
    ) -> list[DeliveryRecord]:
        """Return records, the newest first."""
        if any("\0" in (each or "") for each in (delivery, cause, endpoint)):
            return []  # no record has one, and PostgreSQL rejects the question
        chosen = [
            ("delivery >= :delivery AND delivery < :beyond", bool(delivery)),
            ("outcome = 'rejected'", rejected),
            ("(reason_code = :cause OR findings LIKE :found ESCAPE '!')", cause is not None),
            ("endpoint = :endpoint", endpoint is not None),
            ("at >= :since", since is not None),
            ("seq < :after", after is not None),
        ]
        where = " AND ".join(condition for condition, asked in chosen if asked) or "1 = 1"
        escaped = "".join(f"!{each}" if each in "!%_" else each for each in cause or "")
        values: dict[str, Any] = {"delivery": delivery.lower(), "beyond": f"{delivery.lower()}g", "cause": cause}
        values |= {"found": f"% {escaped}:%", "endpoint": endpoint, "since": since, "after": after, "limit": limit}
        return [_record(row) for row in self._rows(f"{self._select()} WHERE {where} ORDER BY seq DESC LIMIT :limit", values)]

    def get(self, delivery: str) -> DeliveryRecord | None:
        """Return the record with this whole name, or None."""
        rows = self._rows(f"{self._select()} WHERE delivery = :delivery", {"delivery": delivery})
        return _record(rows[0]) if rows else None

    def body(self, delivery: str) -> KeptBody | None:
        """Return the body; None if none is kept, or its time is over."""
        sql = f"SELECT body, head FROM {self.table} WHERE delivery = :delivery AND body_until > :now AND body IS NOT NULL"  # noqa: S608
        rows = self._rows(sql, {"delivery": delivery, "now": self._clock()})
        return KeptBody(bytes(rows[0][0]), rows[0][1] or "") if rows else None

    def annotate(self, delivery: str, note: str) -> bool:
        """Set the note of a record; False if there is no such record."""
        sql = f"UPDATE {self.table} SET note = :note WHERE delivery = :delivery"  # noqa: S608 - a table's name
        return bool(self._one(sql, {"note": note[: LENGTHS["note"]], "delivery": delivery}))

    def prune(self, *, limit: int) -> int:
        """Delete at most ``limit`` bodies and at most ``limit`` records whose time is over; return how many of both."""
        now = self._clock()
        return sum(self._one(sql, {"now": now, "limit": limit}) for sql in (self._delete, self._empty))

    def forget(self, event_id: str) -> int:
        """Empty every record of an event; return how many."""
        return self._one(self._forget, {"event_id": event_id}) if event_id else 0

    def __repr__(self) -> str:
        return f"SQLEvidence({self.table!r})"

    def _select(self) -> str:
        return f"SELECT {', '.join(_COLUMNS)} FROM {self.table}"  # noqa: S608 - a table's name

    def _write(self, records: Sequence[tuple[DeliveryRecord, KeptBody | None]]) -> Steps:
        count = f"SELECT COUNT(*) FROM {self.table} WHERE endpoint = :endpoint AND outcome = :outcome AND at >= :hour"  # noqa: S608
        written = 0
        for record, body in records:
            row = _row(record, body)
            if record.outcome in LIMITED:
                values = {"endpoint": row["endpoint"], "outcome": row["outcome"], "hour": record.at // _HOUR * _HOUR}
                (number,) = (yield Statement(count, values, fetch=True))[0]
                if number >= HOURLY:
                    continue
            written += max((yield Statement(self._insert, row, fetch=False)), 0)
        return written

    def _one(self, sql: str, values: dict[str, Any]) -> int:
        return max(int(self._perform(lambda: _ask(Statement(sql, values, fetch=False)), "one")), 0)

    def _rows(self, sql: str, values: dict[str, Any]) -> list[Any]:
        return list(self._perform(lambda: _ask(Statement(sql, values, fetch=True)), "read"))


def _ask(statement: Statement) -> Steps:
    return (yield statement)


def _written(findings: Sequence[FoundCause]) -> str:
    """Return findings as text, each between spaces, so that one code can be searched for."""
    text = "".join(f"{each.code}:{each.kind} " for each in findings)
    return f" {text}"[: LENGTHS["findings"]] if text else ""


def _row(record: DeliveryRecord, body: KeptBody | None) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(record, name) for name in _COLUMNS[1:]}
    row["findings"] = _written(record.findings)
    row["headers"] = json.dumps(record.headers, separators=(",", ":"))
    for name, most in LENGTHS.items():
        row[name] = row[name][:most]
    row["head"] = body.head if body is not None else None
    row["body"] = body.body if body is not None else None
    if body is None:
        row["body_until"] = None
    return row


def _record(row: Sequence[Any]) -> DeliveryRecord:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["headers"] = tuple(HeadFact(name, value) for name, value in json.loads(values["headers"]))
    values["findings"] = tuple(FoundCause(*each.split(":", 1)) for each in values["findings"].split() if ":" in each)
    return DeliveryRecord(**values)
