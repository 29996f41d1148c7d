"""Many events put by one statement, on PostgreSQL. Steps, without I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from hookguard.errors import StoreUnavailable
from hookguard.inbox.contract import Kept, Put, PutStatus
from hookguard.stores import inbox_server_sql as sql
from hookguard.stores.inbox_statements import InboxSteps, line_of
from hookguard.stores.statements import Statement

__all__ = ["all_put"]

_GIVEN: Final = """
WITH given AS (SELECT * FROM json_to_recordset(:given) AS g(number integer, id varchar, scope varchar, event_id varchar,
        event_type varchar, fingerprint varchar, retention double precision, head text, body text, content text)),
    parts AS (SELECT * FROM json_to_recordset(:parts) AS p(number integer, part varchar, line varchar)),
"""

#: PUT, with the values of each event in place of the parameters. The keys are locked in the order of their ids, so that two
#: processes do not wait for each other; the entries are numbered in the order in which the events came.
_PUT_ALL: Final = (
    sql.PUT.replace("WITH ", _GIVEN.lstrip("\n"), 1)
    .replace("VALUES (:id, :scope, :event_id, 2,", "SELECT id, scope, event_id, 2,", 1)
    .replace(
        f":token, :fingerprint, :now, :now, {sql.FOREVER}, 1)",
        f":token, decode(fingerprint, 'hex'), :now, :now, {sql.FOREVER}, 1 FROM given",
        1,
    )
    .replace("held.fingerprint = :fingerprint", "held.fingerprint = excluded.fingerprint", 1)
    .replace(":endpoint, :scope, :event_id, :event_type, 0,", ":endpoint, g.scope, g.event_id, g.event_type, 0,", 1)
    .replace(":retention, :head, :body, :content", "g.retention, g.head, decode(g.body, 'hex'), decode(g.content, 'hex')", 1)
    .replace(
        "FROM new CROSS JOIN (VALUES {parts}) AS p(part, line)",
        "FROM new JOIN given g ON g.id = new.id JOIN parts p ON p.number = g.number ORDER BY g.number",
        1,
    )
    .replace("RETURNING seq", "RETURNING h.id", 1)
)


def all_put(events: Sequence[Kept], alone: Callable[[Kept], InboxSteps]) -> InboxSteps:
    """Return a Put or an error for each event. They are of one endpoint. ``alone`` puts one that the statement did not store."""
    first: dict[str, int] = {}
    for number, event in enumerate(events):
        first.setdefault(event.key.idempotency_key, number)
    given = [_row(events[number], id, number) for id, number in sorted(first.items())]  # noqa: A001 - the column's name
    parts = [
        {"number": number, "part": part, "line": line_of(events[number].line, part)}
        for number in first.values()
        for part in events[number].parts
    ]
    values = {"given": json.dumps(given), "parts": json.dumps(parts), "token": b"", "endpoint": events[0].endpoint}
    rows = yield Statement(_PUT_ALL, {**values, "any_body": events[0].takes_other_body}, fetch=True)
    stored = {id for (id,) in rows}  # noqa: A001 - the column's name
    answers: list[Put | StoreUnavailable] = []
    for number, event in enumerate(events):
        id = event.key.idempotency_key  # noqa: A001 - the column's name
        if first[id] == number and id in stored:
            answers.append(Put(PutStatus.STORED))
        else:
            try:
                answers.append((yield from alone(event)))
            except StoreUnavailable as error:  # of this event: the others are stored
                answers.append(error)
    return answers


def _row(event: Kept, id: str, number: int) -> dict[str, Any]:  # noqa: A002 - the column's name
    return {
        "number": number,
        "id": id,
        "scope": event.key.scope,
        "event_id": event.key.id,
        "event_type": event.event_type,
        "fingerprint": event.fingerprint.hex(),
        "retention": event.retention,
        "head": event.head,
        "body": event.body.hex(),
        "content": None if event.content is None else event.content.hex(),
    }
